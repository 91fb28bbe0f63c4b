import type { GuestFile } from './guest-file.ts';

/** What a virtual machine does not need at each start. `systemctl unmask` brings any of them back. */
const MASKED = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'getty-static.service',
  'systemd-binfmt.service',
  'systemd-hwdb-update.service',
  'systemd-pstore.service',
  'systemd-update-utmp-runlevel.service',
  'dev-hugepages.mount',
  'dev-mqueue.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'modprobe@configfs.service',
  'modprobe@drm.service',
  'modprobe@fuse.service',
  'sys-fs-fuse-connections.mount',
  'sys-kernel-config.mount',
];

/** Units left out or told to do less. */
export function unitFiles(): GuestFile[] {
  return [
    ...MASKED.map((name) => ({ path: `/etc/systemd/system/${name}`, link: '/dev/null' })),
    {
      // 64 virtual consoles and 32 serial lines are announced to udev one by one; two are used. What the
      // first stage of cloud-init needs was loaded by the initramfs, so accounts come before the cold plug.
      path: '/etc/systemd/system/systemd-udev-trigger.service.d/blockhost.conf',
      content: `[Unit]
After=cloud-init-local.service

[Service]
ExecStart=
ExecStart=-udevadm trigger --type=all --action=add --subsystem-nomatch=tty --subsystem-nomatch=vc --subsystem-nomatch=acpi --subsystem-nomatch=workqueue --subsystem-nomatch=cpu --subsystem-nomatch=mem --subsystem-nomatch=bdi --subsystem-nomatch=event_source --prioritized-subsystem=module,block,tpmrm,net,input
ExecStart=-udevadm trigger --action=add --subsystem-match=tty --sysname-match=ttyS0 --sysname-match=tty0 --sysname-match=tty1
ExecStart=-udevadm trigger --action=add --subsystem-match=acpi --sysname-match=LNXPWRBN:*
`,
    },
    {
      path: '/etc/systemd/system/systemd-networkd-wait-online.service.d/blockhost.conf',
      content: `[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=30
`,
    },
  ];
}
