/** What every template has, whatever it is made from (contract §15). */
export const REQUIRED_PACKAGES = [
  'ca-certificates',
  'cloud-guest-utils',
  'cloud-init',
  'curl',
  'openssh-server',
  'qemu-guest-agent',
  'sudo',
] as const;

/** For the initramfs of a tuned template. */
export const TUNED_PACKAGES = ['busybox-static'] as const;

/**
 * Makes a template of a Debian root file system, from inside and as root: in a chroot during a bootstrap,
 * or in a cloud image that was booted for it. Its argument is the folder with `files.tar` and `packages/`.
 * What it prints is read by customizeLog().
 */
export function customizeScript(options: { tune: boolean }): string {
  const packages = [...REQUIRED_PACKAGES, ...(options.tune ? TUNED_PACKAGES : [])];
  return `#!/bin/sh
set -eu
payload=$1
required='${packages.join(' ')}'
${INSTALL}${options.tune ? TUNE : ''}${FINISH}`;
}

const INSTALL = `
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
step() { echo "@step $*"; }
fail() { echo "@failed $*"; exit 1; }
installed() { [ "$(dpkg-query -W -f='\${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

changed=
if ! tar -C / -df "$payload/files.tar" >/dev/null 2>&1; then
  step 'copying files'
  tar -C / -xf "$payload/files.tar" --no-same-owner
  changed=yes
fi

missing=
for package in $required; do
  installed "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
  step "installing$missing"
  changed=yes
  apt-get -q update
  # shellcheck disable=SC2086 # a list of words
  apt-get -q -y --no-install-recommends install $missing || fail "cannot install$missing"
fi

set -- "$payload"/packages/*.deb
if [ -e "$1" ]; then
  step "installing $# packages of the template-packages folder"
  if ! dpkg -i --force-confnew "$@"; then
    apt-get -q update
    apt-get -q -y -f --no-install-recommends install || fail 'the dependencies of the packages cannot be installed'
  fi
  # apt-get -f may also have removed what it could not satisfy.
  for deb; do
    package=$(dpkg-deb -f "$deb" Package)
    if ! installed "$package"; then
      fail "$package cannot be installed: its dependencies are not available"
    fi
    echo "@package $(dpkg-query -W -f='\${Package} \${Version}' "$package")"
  done
fi

step 'setting up services'
# Enabling takes seconds in an emulated guest, hence only what is not enabled.
for unit in ssh qemu-guest-agent systemd-networkd systemd-resolved; do
  [ -e "/lib/systemd/system/$unit.service" ] || continue
  systemctl is-enabled --quiet "$unit.service" || systemctl enable "$unit.service"
done

# BlockHost's drop-ins must come first and its PAM login uses keyboard-interactive.
sshd=/etc/ssh/sshd_config
sed -i -e '/^[[:space:]]*Include[[:space:]]*\\/etc\\/ssh\\/sshd_config\\.d\\//d' \\
  -e 's/^[[:space:]]*KbdInteractiveAuthentication[[:space:]][[:space:]]*no/#&/' "$sshd"
sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' "$sshd"
mkdir -p /etc/ssh/sshd_config.d

`;

/** What depends on the versions of the guest's packages. */
const TUNE = `
units=/etc/systemd/system
if [ -e /lib/systemd/system/cloud-init-main.service ]; then
  # A cloud-init that starts Python only once needs its own units.
  rm -rf "$units/cloud-init.service" "$units/cloud-config.service"
  rm -rf "$units/cloud-init-local.service.d" "$units/cloud-final.service.d"
  rm -f "$units/multi-user.target.wants/cloud-init.target" "$units/../system-generators/cloud-init-generator"
fi
# Nobody waits for the time and names of the network to log in.
for unit in systemd-timesyncd.service systemd-resolved.service; do
  [ -e "/lib/systemd/system/$unit" ] || continue
  sed -e '/^Before=/s/\\(sysinit\\|network\\)\\.target *//g' -e 's/^\\[Unit\\]/&\\nAfter=ssh.service\\nBefore=multi-user.target/' \\
    "/lib/systemd/system/$unit" > "$units/$unit"
done
`;

const FINISH = `
# These take minutes in an emulated guest, and were made with our files if those were there before.
if [ -n "$changed" ]; then
  step 'making the initramfs'
  update-initramfs -u -k all
  if [ -e /boot/grub/grub.cfg ] && [ ! -e "$payload/chroot" ]; then update-grub; fi
fi

step 'cleaning up'
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/ssh/ssh_host_*
rm -rf /var/lib/cloud/* /run/cloud-init /var/log/cloud-init*.log
rm -rf /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init /etc/systemd/network/10-cloud-init-*
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /var/lib/dbus/machine-id /root/.bash_history
rm -rf /tmp/* /var/tmp/* /var/log/journal/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log
# Empty, not missing: systemd then fills it in without asking first-boot questions.
: > /etc/machine-id
# shellcheck source=/dev/null
echo "@os $(. /etc/os-release && echo "$ID-$VERSION_ID")"
`;
