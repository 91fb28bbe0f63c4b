import { Option } from 'commander';
import { InputError } from '../../errors.ts';
import { readSmallFile } from '../../host/regular-file.ts';
import { MiB, parseVmName, quote } from '../../types.ts';
import { createVm, previewCreate } from '../../vm/create.ts';
import { createMock } from '../../vm/create-mock.ts';
import { type CreateSpec, DEFAULT_DISK_GB, readCloudInitContent } from '../../vm/create-spec.ts';
import { createOutput, SENTINEL } from '../create-output.ts';
import type { ActingVerb, Invocation } from '../invocation.ts';
import { mockHost } from '../mock.ts';
import { collect, numberOption, stringOption, wholeNumber } from '../options.ts';
import { declareExtras, extrasOf } from './create-extras.ts';

export const verb: ActingVerb = {
  summary: 'create a VM and wait until its guest is ready',
  needsSettings: true,
  declare(command) {
    command
      .argument('<name>', 'name of the VM: letters, digits, dots, underscores, dashes')
      .option(
        '--owner-wallet <address>',
        "the owner's wallet address, kept in record and guest",
        '',
      )
      .option('--nft-token-id <id>', 'NFT that stands for the VM; only echoed')
      .option('--expiry-days <days>', 'days until the VM expires (default: 30)', wholeNumber)
      .option('--cpu <count>', 'vCPUs', wholeNumber, 1)
      .option('--memory <MB>', 'memory in MB', wholeNumber, 2048)
      .option(
        '--disk <GB>',
        `disk in GB (default: ${DEFAULT_DISK_GB}, or the image's size)`,
        wholeNumber,
      )
      .option('--username <user>', "the guest's account", 'admin')
      .option('--apply', 'really create it; without this only check and print what would be')
      .option('--ssh-key <file>', 'public key for the account (repeatable)', collect, [])
      .option('--image <file>', 'start from this disk image instead of the template')
      .option('--template <id>', 'start from this template instead of the current one')
      .addOption(
        new Option(
          '--network <mode>',
          'user: NAT, ssh by a port of this host; bridge: a card on a bridge',
        ).choices(['user', 'bridge']),
      )
      .option('--bridge <name>', 'the bridge to plug into; implies --network bridge')
      .option(
        '--cloud-init-content <file>',
        'user-data to use instead of the one made from the options',
      )
      .option('--mock', 'write a record to ./mock-db.json and create no VM')
      .addHelpText(
        'after',
        `
Prints two lines when the guest is ready: "${SENTINEL}" with the result as JSON, and the JSON alone.
Progress goes to stderr. When anything fails nothing is left behind and the exit code is 1.

Examples:
  blockhost-qemu create web1 --apply --ssh-key ~/.ssh/id_ed25519.pub
  blockhost-qemu create db1 --cpu 2 --memory 4096 --disk 40 --bridge br0 --apply
  blockhost-qemu create old1 --image /srv/images/old1.qcow2 --apply
  blockhost-qemu create app1 --forward 8080:80 --private-network 192.168.56.10/24 --apply`,
      );
    declareExtras(command);
  },
  async run({ args, options, host, out }) {
    const spec = specOf(args[0], options, host);
    const own = options.mock === true ? mockHost(host) : host;
    const apply = options.apply === true;
    const create = options.mock === true ? createMock : createVm;
    const result = await (apply ? create(own, spec) : previewCreate(own, spec));
    if (!apply) host.report('nothing is created: this only checks (add --apply to create the VM)');
    out.line(createOutput(result));
    return 0;
  },
};

function specOf(
  name: unknown,
  options: Invocation['options'],
  host: Invocation['host'],
): CreateSpec {
  const cloudInit = stringOption(options, 'cloudInitContent');
  const bridge = stringOption(options, 'bridge');
  const network =
    stringOption(options, 'network') ?? (bridge === undefined ? host.settings.network : 'bridge');
  if (bridge !== undefined && network === 'user') {
    throw new InputError('--bridge does not go with --network user');
  }
  return {
    name: parseVmName(name),
    wallet: stringOption(options, 'ownerWallet') ?? '',
    nftTokenId: stringOption(options, 'nftTokenId') ?? null,
    expiryDays: numberOption(options, 'expiryDays') ?? host.settings.default_expiry_days,
    vcpus: numberOption(options, 'cpu') ?? 1,
    memoryMb: numberOption(options, 'memory') ?? 2048,
    diskGb: numberOption(options, 'disk'),
    username: stringOption(options, 'username') ?? 'admin',
    network: network === 'bridge' ? 'bridge' : 'user',
    bridge: bridge ?? host.settings.bridge,
    image: stringOption(options, 'image'),
    template: stringOption(options, 'template'),
    cloudInitContent: cloudInit === undefined ? undefined : readCloudInitContent(cloudInit),
    extras: extrasOf(options),
    sshKeys: Array.isArray(options.sshKey) ? options.sshKey.flatMap(readKeys) : [],
  };
}

export function readKeys(named: unknown): string[] {
  const file = String(named);
  const keys = readSmallFile(file, `the SSH key file ${quote(file)}`, MiB)
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
  if (keys.length === 0) throw new InputError(`the SSH key file ${quote(file)} holds no key`);
  return keys;
}
