import { GUEST_LIB, type GuestFile } from './guest-file.ts';

/**
 * cloud-init with fewer starts of Python. With a seed that says `dsmode: local` (ours do) the first stage
 * makes accounts, files and keys; the second has nothing left to do; the third is done by the fourth. All
 * of user-data keeps working, in the same order within each stage, except #include of a URL.
 */
export function cloudInitFiles(): GuestFile[] {
  return [
    { path: '/etc/cloud/cloud.cfg.d/90-blockhost.cfg', content: CONFIG },
    { path: `${GUEST_LIB}/cloud-init-stage`, content: STAGE, mode: 0o755 },
    { path: `${GUEST_LIB}/before-cloud-init`, content: BEFORE, mode: 0o755 },
    // Where the seed is, is known: no shell script needs to look for the platform at each start.
    { path: '/etc/systemd/system-generators/cloud-init-generator', link: '/dev/null' },
    {
      path: '/etc/systemd/system/multi-user.target.wants/cloud-init.target',
      link: '/lib/systemd/system/cloud-init.target',
    },
    { path: '/etc/systemd/system/cloud-init-local.service.d/blockhost.conf', content: LOCAL },
    { path: '/etc/systemd/system/cloud-init.service', content: NETWORK },
    { path: '/etc/systemd/system/cloud-config.service', content: CONFIG_STAGE },
    { path: '/etc/systemd/system/cloud-final.service.d/blockhost.conf', content: FINAL },
    { path: '/usr/local/sbin/netplan', content: NETPLAN, mode: 0o755 },
  ];
}

const CONFIG = `# Accounts and keys come first, since people and programs wait for them; growing the disk can wait.
datasource_list: [NoCloud, None]
ssh_genkeytypes: [ed25519]
locale: false
cloud_init_modules: [seed_random, bootcmd, write-files, set_hostname, update_hostname, update_etc_hosts, users-groups, set-passwords, ssh]
cloud_config_modules: []
cloud_final_modules: [growpart, resizefs, disk_setup, mounts, ca-certs, rsyslog, ssh-import-id, keyboard, locale, apt-configure, ntp, timezone, runcmd, package-update-upgrade-install, write-files-deferred, puppet, chef, salt-minion, scripts-vendor, scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, ssh-authkey-fingerprints, phone-home, final-message, power-state-change]
system_info:
  network:
    renderers: [netplan, networkd, eni]
`;

/**
 * Debian's /usr/bin/cloud-init looks through the metadata of all Python packages before it starts, reads its
 * settings several times with a YAML reader written in Python, and its schema of user-data for each module.
 */
const STAGE = `#!/usr/bin/python3 -s
"""cloud-init, started in half the time. What differs: mistakes in user-data are not explained while it runs;
run "cloud-init schema --system" for that."""
import sys

sys.argv[0] = "cloud-init"
sys.modules["jsonschema"] = None  # cloud-init takes it for not installed
try:
    import yaml
    yaml.SafeLoader = yaml.CSafeLoader
    from cloudinit.config import schema
    schema.get_meta_doc = lambda meta, schema=None: ""
except (ImportError, AttributeError):
    pass
from cloudinit.cmd.main import main

sys.exit(main())
`;

const CONDITIONS = `ConditionPathExists=!/etc/cloud/cloud-init.disabled
ConditionKernelCommandLine=!cloud-init=disabled
`;

const LOCAL = `[Unit]
${CONDITIONS}
[Service]
ExecStartPre=${GUEST_LIB}/before-cloud-init
ExecStart=
ExecStart=${GUEST_LIB}/cloud-init-stage init --local
StandardOutput=journal
Nice=-10
`;

/** What the generator would do; and the cold plug of udev, which runs later, if the card depends on it. */
const BEFORE = `#!/bin/sh
mkdir -p /run/cloud-init
: > /run/cloud-init/enabled
for card in /sys/class/net/*/device; do
  if [ -e "$card" ]; then exit 0; fi
done
udevadm trigger --type=all --action=add --subsystem-match=pci --subsystem-match=virtio --subsystem-match=net
udevadm settle --timeout=10
exit 0
`;

/** Unlike Debian's unit it makes sshd wait for the network only if there is something left to do. */
const NETWORK = `[Unit]
Description=Initial cloud-init job (metadata service crawler)
DefaultDependencies=no
${CONDITIONS}Wants=cloud-init-local.service
After=cloud-init-local.service
Before=network-online.target sshd-keygen.service ssh.service sshd.service
Before=sysinit.target shutdown.target systemd-user-sessions.service
Conflicts=shutdown.target

[Service]
Type=oneshot
# The first stage has done it all when the seed says that it is local.
ExecCondition=/bin/sh -c '! grep -qs "\\"dsmode\\": \\"local\\"" /run/cloud-init/instance-data.json'
ExecStart=/bin/sh -c 'systemctl start systemd-networkd; /lib/systemd/systemd-networkd-wait-online --any --timeout=30; exec ${GUEST_LIB}/cloud-init-stage init'
RemainAfterExit=yes
TimeoutSec=0

[Install]
WantedBy=cloud-init.target
`;

const CONFIG_STAGE = `[Unit]
Description=Apply the settings specified in cloud-config
After=network-online.target cloud-config.target
Wants=network-online.target cloud-config.target
${CONDITIONS}
[Service]
Type=oneshot
# Its modules are run by cloud-final.service.
ExecStart=/bin/true
RemainAfterExit=yes

[Install]
WantedBy=cloud-init.target
`;

const FINAL = `[Unit]
${CONDITIONS}
[Service]
ExecStart=
ExecStart=${GUEST_LIB}/cloud-init-stage modules --mode=final
StandardOutput=journal
`;

/** cloud-init calls \`netplan generate\`: that is a C program behind a Python one. */
const NETPLAN = `#!/bin/sh
if [ "$*" = generate ] && [ -x /usr/libexec/netplan/generate ]; then
  exec /usr/libexec/netplan/generate
fi
exec /usr/sbin/netplan "$@"
`;
