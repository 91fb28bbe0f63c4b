#!/bin/sh
# Builds the Debian package into build/. Needs debhelper, Node 18 or later and npm.
set -eu
cd "$(dirname "$0")"
rm -rf build
mkdir build

# dpkg puts its results beside the source tree: give it a copy of the tree inside build/.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/source"
git ls-files -z --cached --others --exclude-standard 2>/dev/null >"$work/files" || :
if [ -s "$work/files" ]; then
  tar -c --null --ignore-failed-read -T "$work/files" | tar -x -C "$work/source"
else
  tar -c --exclude=./build --exclude=./node_modules --exclude=./.git . | tar -x -C "$work/source"
fi
[ ! -d node_modules ] || ln -s "$PWD/node_modules" "$work/source/node_modules"
(cd "$work/source" && dpkg-buildpackage -b -us -uc -d)
mv "$work"/*.deb build/
ls build/*.deb
