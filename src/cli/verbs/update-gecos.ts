import { parseVmName } from '../../types.ts';
import { updateGecos } from '../../vm/gecos.ts';
import type { ActingVerb } from '../invocation.ts';
import { stringOption } from '../options.ts';

export const verb: ActingVerb = {
  summary: "write wallet and NFT id to the GECOS field of the guest's account",
  declare(command) {
    command
      .argument('<name>', 'the VM')
      .argument('<wallet>', 'wallet address')
      .requiredOption(
        '--nft-id <id>',
        'NFT id; any token of letters, digits, dots, dashes and underscores',
      );
  },
  async run({ args, options, host, out }) {
    const name = parseVmName(args[0]);
    const { username } = await updateGecos(
      host,
      name,
      args[1] ?? '',
      stringOption(options, 'nftId') ?? '',
    );
    out.line(`VM ${name}: GECOS of ${username} is updated`);
    return 0;
  },
};
