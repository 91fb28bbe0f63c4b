import * as fs from 'node:fs';
import { Option } from 'commander';
import { InputError } from '../../errors.ts';
import { buildTemplate } from '../../image/build-template.ts';
import { SUITES, type Suite } from '../../image/debian-mirrors.ts';
import { quote } from '../../types.ts';
import { chooseAccel } from '../../vm/accel.ts';
import { assertQemu } from '../../vm/qemu-binary.ts';
import type { ActingVerb } from '../invocation.ts';
import { stringOption } from '../options.ts';

/** Where BlockHost puts the packages every guest needs (contract §15). */
const PACKAGES = '/var/lib/blockhost/template-packages';

export const verb: ActingVerb = {
  summary: 'build the disk image that VMs start from',
  privileges: 'root',
  declare(command) {
    command
      .addOption(
        new Option('--suite <name>', "Debian release to build (default: the host's)").choices(
          Object.keys(SUITES),
        ),
      )
      .option(
        '--cloud-image <file or URL>',
        'start from a cloud image instead of bootstrapping; needs --checksum',
      )
      .option('--checksum <sha512:HEX>', 'checksum of the cloud image; sha256 works too')
      .option('--packages <folder>', `install every .deb of this folder (default: ${PACKAGES})`)
      .option('--require-packages', 'fail when that folder holds no .deb (so on a BlockHost host)')
      .option('--no-tune', 'leave the boot as slow as Debian ships it (for comparison)')
      .addHelpText(
        'after',
        `
Without --cloud-image the template is bootstrapped from the apt sources of this host. A build makes a new
template and lets "current" point to it; VMs made from an older one keep theirs.

Examples:
  blockhost-qemu build-template
  blockhost-qemu build-template --suite trixie
  blockhost-qemu build-template --cloud-image debian-12-genericcloud-amd64.qcow2 --checksum sha512:...`,
      );
  },
  async run({ options, host, out }) {
    const { paths, report, signal, settings } = host;
    const cacheFile = paths.accelProbe;
    const binary = settings.qemu_binary;
    assertQemu(binary);
    const { accel } = await chooseAccel({ setting: settings.accel, binary, cacheFile, signal });
    const template = await buildTemplate(
      {
        suite: stringOption(options, 'suite') as Suite | undefined,
        cloudImage: stringOption(options, 'cloudImage'),
        checksum: stringOption(options, 'checksum'),
        packagesDir: folderOf(stringOption(options, 'packages')) ?? PACKAGES,
        // Without BlockHost's packages nobody could log in to a VM of BlockHost's.
        requirePackages: options.requirePackages === true || host.blockhost !== undefined,
        tune: options.tune !== false,
      },
      { paths, report, signal, accel, publish: host.root.publish, qemuBinary: binary },
    );
    out.line(template.id);
    return 0;
  },
};

/** One that was named is meant. */
function folderOf(named: string | undefined): string | undefined {
  if (named === undefined || fs.statSync(named, { throwIfNoEntry: false })?.isDirectory() === true)
    return named;
  throw new InputError(`the folder of packages ${quote(named)} does not exist, or is no folder`, {
    hint: 'check the path',
  });
}
