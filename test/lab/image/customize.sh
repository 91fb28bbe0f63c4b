#!/bin/sh
# Makes a lab host of a tree with Debian's packages. Environment: NODE, a node program to copy, if any;
# MODULES, the folder of User-mode Linux's modules.
set -eu
root=$1
here=$(dirname "$0")

cp -R --preserve=mode,links "$here/root/." "$root"
mkdir -p "$root/lib/modules"
cp -R "$MODULES" "$root/lib/modules/"
chroot "$root" depmod "$(basename "$MODULES")"
[ -z "$NODE" ] || install -m 755 "$NODE" "$root/usr/bin/node"
chroot "$root" node --version >/dev/null
: >"$root/etc/machine-id"
mkdir -p "$root/var/log/journal"
rm -f "$root/etc/resolv.conf"
# Left by mmdebstrap; the tests install packages with what is there.
rm -f "$root"/var/cache/apt/archives/*.deb

# BlockHost's user and folders, as its common package and installer leave them.
chroot "$root" systemd-sysusers
chroot "$root" install -d -o blockhost -g blockhost -m 755 /var/lib/blockhost
chroot "$root" chown -R root:blockhost /etc/blockhost
chmod 750 "$root/etc/blockhost"
find "$root/etc/blockhost" -type f -exec chmod 640 {} +
support=$here/../../support
agent=$support/root-agent
install -m 755 "$agent/blockhost-root-agent" "$root/usr/bin/"
install -m 644 "$agent/blockhost-root-agent.service" "$root/lib/systemd/system/"
install -d "$root/usr/share/blockhost/root-agent-actions"
install -m 644 "$agent"/actions/*.py "$root/usr/share/blockhost/root-agent-actions/"
packages=$root/usr/lib/python3/dist-packages
cp -R "$support/blockhost/python/blockhost" "$packages/"
cp -R "$support/blockhost/templates" "$packages/../"
chroot "$root" python3 -m compileall -q /usr/share/blockhost/root-agent-actions \
  /usr/lib/python3/dist-packages/blockhost

chroot "$root" systemctl --quiet enable systemd-networkd lab-agent blockhost-root-agent blockhost-monitor
chroot "$root" systemctl --quiet disable systemd-networkd-wait-online systemd-network-generator
# Nothing of a server's housekeeping, and nothing for a person at a screen.
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
  fstrim.timer dpkg-db-backup.timer logrotate.timer e2scrub_reap.service getty@tty1.service \
  getty-static.service console-getty.service systemd-hwdb-update.service systemd-pstore.service \
  systemd-update-utmp.service systemd-update-utmp-runlevel.service sys-kernel-debug.mount \
  sys-kernel-tracing.mount dev-hugepages.mount systemd-binfmt.service
