/** What the lab's host is made of, beyond Debian's essential packages. */
export const PACKAGES = [
  // A host as an operator has it.
  ...['systemd', 'systemd-sysv', 'udev', 'dbus', 'kmod', 'procps', 'iproute2', 'iputils-ping'],
  ...['nftables', 'ca-certificates', 'openssh-client', 'python3', 'python3-yaml', 'busybox-static'],
  // What the program needs.
  ...['qemu-system-x86', 'qemu-utils', 'genisoimage', 'fdisk', 'jq'],
  // What builds a template.
  ...['mmdebstrap', 'grub-common', 'grub-pc-bin'],
  // What the setup wizard and the admin panel are made with.
  'python3-flask',
  // What tests look with.
  ...['ethtool', 'iperf3', 'socat', 'tcpdump', 'strace'],
];
