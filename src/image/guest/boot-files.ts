import { GUEST_LIB, type GuestFile } from './guest-file.ts';

/** Kernel arguments of every template: both consoles, and a card called eth0. */
const CONSOLES = 'console=tty0 console=ttyS0,115200 net.ifnames=0';

/**
 * Each of these was measured to bring readiness forward (docs/templates.md). The journal of ext4 is replayed
 * by the kernel, so a file system check at each start adds nothing.
 */
const SOON = 'quiet systemd.show_status=0 fsck.mode=skip audit=0 random.trust_cpu=on rw';

export function kernelArguments(tune: boolean): string {
  return tune ? `${CONSOLES} ${SOON}` : CONSOLES;
}

/** How the guest starts: settings for update-grub, which runs when a kernel is installed or removed. */
export function bootFiles(tune: boolean): GuestFile[] {
  const grub: GuestFile = {
    path: '/etc/default/grub.d/90-blockhost.cfg',
    content: `GRUB_TIMEOUT=0
GRUB_RECORDFAIL_TIMEOUT=0
GRUB_TERMINAL=console
GRUB_DISABLE_OS_PROBER=true
GRUB_DISABLE_LINUX_PARTUUID=true
GRUB_CMDLINE_LINUX="${CONSOLES}"
GRUB_CMDLINE_LINUX_DEFAULT="${tune ? SOON : ''}"
`,
  };
  if (!tune) return [grub];
  return [
    grub,
    {
      path: '/etc/initramfs-tools/conf.d/90-blockhost',
      content: INITRAMFS_CONF,
    },
    { path: '/etc/initramfs-tools/hooks/zz-blockhost', content: INITRAMFS_HOOK, mode: 0o755 },
    { path: `${GUEST_LIB}/initramfs-init`, content: INITRAMFS_INIT, mode: 0o755 },
  ];
}

/** Few modules only as long as the hook below is there to add those that are needed. */
const INITRAMFS_CONF = `BUSYBOX=y
COMPRESS=gzip
RESUME=none
if [ -x /etc/initramfs-tools/hooks/zz-blockhost ] && [ -e /usr/share/doc/busybox-static ]; then
  MODULES=list
fi
`;

/** A VM's hardware is known, so its initramfs needs neither udev nor a search: 1 MB instead of 15. */
const INITRAMFS_HOOK = `#!/bin/sh
# Replaces what initramfs-tools gathered by busybox, the modules a virtual machine needs, and an init
# that mounts the root file system. Without busybox-static the usual initramfs is left as it is.
# Remove this file and run update-initramfs -u to get the usual one back.
set -eu
if [ "\${1:-}" = prereqs ]; then exit 0; fi
version=\${version:?mkinitramfs names the kernel}
init=${GUEST_LIB}/initramfs-init
busybox=$(command -v busybox) || exit 0
[ -e /usr/share/doc/busybox-static ] || exit 0

# Empty, but with the folders that mkinitramfs goes on to use.
find "$DESTDIR" -mindepth 1 \\( -type f -o -type l \\) -delete
mkdir -p "$DESTDIR/bin" "$DESTDIR/etc" "$DESTDIR/modules" "$DESTDIR/scripts" "$DESTDIR/lib/modules/$version"
cp "$busybox" "$DESTDIR/bin/busybox"
cp "$init" "$DESTDIR/init"

: > "$DESTDIR/modules/order"
for module in virtio_pci virtio_blk virtio_scsi sd_mod ext4 crc32c_generic virtio_console virtio_net isofs; do
  modprobe --set-version "$version" --ignore-install --quiet --show-depends "$module" || true
done | sed -n 's/^insmod \\([^ ]*\\).*/\\1/p' | awk '!seen[$0]++' > "$DESTDIR/modules/paths"
while read -r file; do
  name=$(basename "$file")
  case $name in
    *.xz) "$busybox" unxz -c "$file" > "$DESTDIR/modules/\${name%.xz}" ;;
    *.zst) zstd -qdc "$file" > "$DESTDIR/modules/\${name%.zst}" ;;
    *) cp "$file" "$DESTDIR/modules/$name" ;;
  esac
  name=\${name%.xz}
  echo "\${name%.zst}" >> "$DESTDIR/modules/order"
done < "$DESTDIR/modules/paths"
rm "$DESTDIR/modules/paths"
`;

const INITRAMFS_INIT = `#!/bin/busybox sh
# Mounts the root file system and starts its init. On failure: a shell on the console.
bb=/bin/busybox
$bb mkdir -p /dev /proc /sys /root
$bb mount -t devtmpfs -o mode=0755 dev /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys

root='' init=/sbin/init flags='' type=ext4 mode=ro
read -r cmdline < /proc/cmdline
for word in $cmdline; do
  case $word in
    root=*) root=\${word#root=} ;;
    init=*) init=\${word#init=} ;;
    rootflags=*) flags=,\${word#rootflags=} ;;
    rootfstype=*) type=\${word#rootfstype=} ;;
    ro | rw) mode=$word ;;
  esac
done

while read -r module; do $bb insmod "/modules/$module" 2>/dev/null; done < /modules/order

tries=0
while [ $tries -lt 300 ]; do
  case $root in
    UUID=* | LABEL=*) device=$($bb findfs "$root" 2>/dev/null) ;;
    *) device=$root ;;
  esac
  if [ -b "$device" ] && $bb mount -t "$type" -o "$mode$flags" "$device" /root; then
    $bb mount --move /dev /root/dev
    $bb mount --move /proc /root/proc
    $bb mount --move /sys /root/sys
    exec $bb switch_root /root "$init"
  fi
  tries=$((tries + 1))
  $bb sleep 0.1
done
echo "initramfs: the root file system $root cannot be mounted" > /dev/console
exec $bb setsid $bb sh -c 'exec /bin/busybox sh < /dev/console > /dev/console 2>&1'
`;
