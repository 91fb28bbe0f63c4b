#!/bin/sh
# Every command of the package is a link to this: it finds Node and becomes the program.
program=/usr/lib/blockhost-provisioner-qemu/bin/${0##*/}
for node in node /usr/bin/node /usr/local/bin/node; do
  command -v "$node" >/dev/null 2>&1 && exec "$node" "$program" "$@"
done
echo "${0##*/}: Node is not installed; install Node 20 or later (Debian 13: apt-get install nodejs)" >&2
exit 1
