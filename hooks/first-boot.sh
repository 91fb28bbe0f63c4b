#!/bin/sh
# First boot of a BlockHost host: installs what VMs need. Runs as root, before the bridge is made and before
# Node is installed. Run again after a failure, it goes on where it stopped. The bridge is the installer's.
set -eu

state=${STATE_DIR:-/var/lib/blockhost}
mkdir -p "$state"

packages='qemu-system-x86 qemu-utils genisoimage e2fsprogs fdisk iproute2 nftables
  mmdebstrap grub-common grub-pc-bin jq'

say() {
  echo "blockhost-provisioner-qemu: $*"
}

# phase NAME COMMAND...: once, remembered by a file of the installer's form.
phase() {
  marker=$state/.step-qemu-$1
  if [ -e "$marker" ]; then
    say "$1: done before"
    return
  fi
  say "$1"
  shift
  "$@"
  : >"$marker"
}

missing_packages() {
  for package in $packages; do
    # shellcheck disable=SC2016 # the field is for dpkg-query
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || :)
    [ "$status" = installed ] || printf '%s ' "$package"
  done
}

install_packages() {
  wanted=$(missing_packages)
  [ -n "$wanted" ] || return 0
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y --no-install-recommends $wanted && return 0
  say 'trying again with fresh package lists'
  apt-get update
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y --no-install-recommends $wanted
}

# Kept from one boot to the next; a host without them runs VMs in emulation, which works, slowly.
load_modules() {
  folder=${MODULES_LOAD_DIR:-/etc/modules-load.d}
  mkdir -p "$folder"
  printf '%s\n' tun vhost_net >"$folder/blockhost-qemu.conf"
  for module in tun vhost_net kvm_intel kvm_amd; do
    modprobe -q "$module" 2>/dev/null || :
  done
}

look_at_network() {
  for card in /sys/class/net/*; do
    if [ -d "$card/wireless" ] || [ -d "$card/phy80211" ]; then
      say "warning: ${card##*/} is wireless and cannot be part of a bridge: VMs need a wired card"
    fi
  done
  [ -e /dev/kvm ] || say 'warning: there is no /dev/kvm: VMs will run in emulation, about ten times slower'
}

phase packages install_packages
phase modules load_modules
look_at_network
for program in qemu-system-x86_64 qemu-img genisoimage jq; do
  command -v "$program" >/dev/null || {
    say "error: $program is not installed"
    exit 1
  }
done
say 'ready'
