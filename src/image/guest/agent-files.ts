import { GUEST_LIB, type GuestFile } from './guest-file.ts';

/**
 * The agent answers seconds earlier when it waits neither for udev's cold plug nor for basic.target. Its
 * port is then not yet named in /dev/virtio-ports: the condition names it, as udev would (and does, later).
 */
export function agentFiles(): GuestFile[] {
  return [
    {
      path: '/etc/systemd/system/qemu-guest-agent.service',
      content: `[Unit]
Description=QEMU Guest Agent
Documentation=man:qemu-ga(8)
DefaultDependencies=no
After=systemd-remount-fs.service
Conflicts=shutdown.target
Before=shutdown.target cloud-init-local.service

[Service]
ExecCondition=${GUEST_LIB}/agent-port
ExecStart=-/usr/sbin/qemu-ga
Restart=always
RestartSec=1

[Install]
WantedBy=sysinit.target
`,
    },
    {
      path: '/etc/systemd/system/sysinit.target.wants/qemu-guest-agent.service',
      link: '../qemu-guest-agent.service',
    },
    { path: `${GUEST_LIB}/agent-port`, content: AGENT_PORT, mode: 0o755 },
  ];
}

const AGENT_PORT = `#!/bin/sh
# Makes the link to the guest agent's port when udev has not come to it yet; fails when there is no port.
name=org.qemu.guest_agent.0
link=/dev/virtio-ports/$name
[ -e "$link" ] && exit 0
for port in /sys/class/virtio-ports/*; do
  [ -e "$port/name" ] || continue
  read -r found < "$port/name"
  [ "$found" = "$name" ] || continue
  mkdir -p /dev/virtio-ports
  ln -sfn "../\${port##*/}" "$link"
  exit 0
done
exit 1
`;
