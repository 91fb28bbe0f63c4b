#!/bin/sh
# Run in a lab host, in the project's folder: installs what was built there as the package does (debian/).
set -eu
lib=/usr/lib/blockhost-provisioner-qemu
package=debian/blockhost-provisioner-qemu

mkdir -p $lib
cp -R dist/. $lib/
for file in "$lib"/bin/*; do ln -sf "$file" /usr/bin/; done

# Lines of it: a path here, and the folder there.
while read -r from to; do
  mkdir -p "/$to"
  cp -R "$from" "/$to/"
done <$package.install
systemd-sysusers "$PWD/$package.sysusers"
usermod --append --groups blockhost blockhost-qemu
systemd-tmpfiles --create "$PWD/$package.tmpfiles"
cp $package.tmpfiles /usr/lib/tmpfiles.d/blockhost-provisioner-qemu.conf
for directory in templates vms cloud-init metrics qemu; do
  install -d -o blockhost -g blockhost -m 0750 /var/lib/blockhost/$directory
done

install -m 644 systemd/*.* /usr/lib/systemd/system/
systemctl daemon-reload
# shellcheck disable=SC2046 # a list of names
systemctl --quiet enable --now $(cd systemd && grep -l '^\[Install\]' ./*.* | sed 's|^./||')
systemctl restart blockhost-root-agent blockhost-monitor
