import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { NotFoundError, ProvisionerError } from '../errors.ts';
import { ExecError, run } from '../host/exec.ts';
import { assertFree } from '../host/free-space.ts';
import { GiB, MiB, type Report } from '../types.ts';
import { hostAptOptions } from './apt-options.ts';
import { makeBootDisk } from './boot-disk.ts';
import type { CustomizeFacts, CustomizeLog } from './customize-log.ts';
import { customizeLog } from './customize-log.ts';
import type { DebianMirrors, Suite } from './debian-mirrors.ts';
import { kernelArguments } from './guest/boot-files.ts';
import { REQUIRED_PACKAGES, TUNED_PACKAGES } from './guest/customize-script.ts';
import { convertToQcow2 } from './qcow2.ts';

export interface BootstrapOptions {
  suite: Suite;
  mirrors: DebianMirrors;
  tune: boolean;
  /** Filled by writePayload(). */
  payload: string;
  workDir: string;
  /** The qcow2 to make. */
  image: string;
  report: Report;
  signal?: AbortSignal | undefined;
}

/** Makes a template's disk from Debian packages alone. */
export async function bootstrap(options: BootstrapOptions): Promise<CustomizeFacts> {
  const { suite, workDir, report, signal } = options;
  if (process.getuid?.() !== 0) {
    throw new ProvisionerError('building a template from packages needs root', {
      hint: 'run the command as root, or use --cloud-image',
    });
  }
  assertFree(workDir, 'building a template', NEEDED_BYTES);
  const rootTree = path.join(workDir, 'rootfs');
  const uuid = randomUUID();
  const log = customizeLog(report);
  report(`bootstrapping ${suite} from this host's apt sources`);
  await mmdebstrap(options, rootTree, uuid, log);
  const raw = path.join(workDir, 'disk.raw');
  await makeBootDisk(
    { rootTree, file: raw, sizeBytes: DISK_SIZE, label: 'root', uuid, workDir },
    { report, signal },
  );
  report('converting the disk');
  await convertToQcow2({ from: raw, fromFormat: 'raw', to: options.image, signal });
  fs.rmSync(raw);
  return log.facts();
}

/** The tree, the disk made of it, and the template at once (docs/templates.md). */
const NEEDED_BYTES = 1536 * MiB;

/** Room for the packages of the template-packages folder; a VM's disk is larger anyway and grows at its first start. */
const DISK_SIZE = 4 * GiB;

/** What a template is made of beside Debian's required packages. */
export function basePackages(tune: boolean): string[] {
  return [...PACKAGES, ...REQUIRED_PACKAGES, ...(tune ? TUNED_PACKAGES : [])];
}

/** Beyond the required ones: kernel, boot loader, and what a person expects of a server. */
const PACKAGES = [
  'apt-utils',
  'dbus',
  'grub-pc-bin',
  'grub2-common',
  'initramfs-tools',
  'iproute2',
  'iputils-ping',
  'libnss-myhostname',
  'libpam-systemd',
  'less',
  'linux-image-cloud-amd64',
  'locales',
  'nano',
  'netplan.io',
  'procps',
  'systemd-resolved',
  'systemd-sysv',
  'systemd-timesyncd',
  'udev',
];

async function mmdebstrap(
  options: BootstrapOptions,
  target: string,
  uuid: string,
  log: CustomizeLog,
): Promise<void> {
  const inside = path.join(options.payload, 'chroot.sh');
  fs.writeFileSync(inside, chrootScript(uuid, kernelArguments(options.tune)));
  const args = [
    '--mode=root',
    '--variant=minbase',
    '--architectures=amd64',
    `--include=${basePackages(options.tune).join(',')}`,
    '--dpkgopt=force-unsafe-io',
    '--aptopt=Acquire::Languages "none"',
    ...(await hostAptOptions()).map((line) => `--aptopt=${line}`),
    // Before the kernel's package, so that its initramfs is the right one at once.
    '--essential-hook=tar -C "$1" -xf "$BLOCKHOST_PAYLOAD/files.tar" --no-same-owner',
    '--customize-hook=sh "$BLOCKHOST_PAYLOAD/chroot.sh" "$1"',
    options.suite,
    target,
    ...options.mirrors.lines,
  ];
  try {
    await run('mmdebstrap', args, {
      timeoutMs: 1_500_000,
      env: { BLOCKHOST_PAYLOAD: options.payload },
      signal: options.signal,
      onLine: log.line,
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof ExecError)) throw error;
    if (error.missing)
      throw new NotFoundError('mmdebstrap is not installed', { hint: 'install mmdebstrap' });
    throw new ProvisionerError(`the bootstrap failed: ${log.failure() ?? error.message}`, {
      detail: error.stderr,
      cause: error,
    });
  }
}

/** Runs on the host with the new root file system as argument, and customize.sh inside it. */
function chrootScript(uuid: string, kernelArgs: string): string {
  return `set -eu
root=$1
mkdir "$root/payload"
cp -R "$BLOCKHOST_PAYLOAD/." "$root/payload"
: > "$root/payload/chroot"
# The host's resolvers for the time being, if it has any; the guest's own setting is put back.
[ ! -L "$root/etc/resolv.conf" ] || mv "$root/etc/resolv.conf" "$root/payload/resolv.conf"
if [ -e /etc/resolv.conf ]; then cat /etc/resolv.conf; fi > "$root/etc/resolv.conf"
chroot "$root" sh /payload/customize.sh /payload
rm "$root/etc/resolv.conf"
[ ! -L "$root/payload/resolv.conf" ] || mv "$root/payload/resolv.conf" "$root/etc/resolv.conf"
rm -rf "$root/payload" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
: > "$root/etc/hostname"

echo 'UUID=${uuid} / ext4 errors=remount-ro 0 1' > "$root/etc/fstab"
echo 'LANG=C.UTF-8' > "$root/etc/default/locale"
mkdir -p "$root/boot/grub"
kernel=$(cd "$root/boot" && ls vmlinuz-* | sort -V | tail -n 1)
cat > "$root/boot/grub/grub.cfg" <<GRUB
# The first start's; update-grub replaces it when a kernel is installed.
set timeout=0
linux /boot/$kernel root=UUID=${uuid} ro ${kernelArgs}
initrd /boot/initrd.img-\${kernel#vmlinuz-}
boot
GRUB
`;
}
