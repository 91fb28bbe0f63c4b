import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { deviceByNumber } from '../../../src/cgroups/backing-device.ts';
import { parseCpuMax } from '../../../src/cgroups/limits.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

test('cpu.max in CPUs', () => {
  assert.equal(parseCpuMax('max 100000\n'), undefined);
  assert.equal(parseCpuMax('150000 100000\n'), 1.5);
});

/** A /sys with a disk and what lies on it, each by its number: path below `devices`, marks inside it. */
function sys(
  t: TestContext,
  nodes: Record<string, { at: string; slaves?: string[]; part?: true }>,
) {
  const root = temporaryDirectory(t);
  fs.mkdirSync(path.join(root, 'dev', 'block'), { recursive: true });
  for (const [number, { at, slaves = [], part }] of Object.entries(nodes)) {
    const directory = path.join(root, 'devices', at);
    fs.mkdirSync(path.join(directory, 'slaves'), { recursive: true });
    if (part === true) fs.writeFileSync(path.join(directory, 'partition'), '1\n');
    for (const slave of slaves) {
      const target = path.join(root, 'devices', slave);
      fs.symlinkSync(target, path.join(directory, 'slaves', path.basename(slave)));
    }
    fs.symlinkSync(directory, path.join(root, 'dev', 'block', number));
  }
  return root;
}

/** st_dev of stat(2) for small numbers. */
const dev = (major: number, minor: number): number => major * 256 + minor;

test('the whole disk is found under a partition, LVM and dm-crypt', (t) => {
  const root = sys(t, {
    '8:0': { at: 'pci/sda' },
    '8:1': { at: 'pci/sda/sda1', part: true },
    '253:0': { at: 'virtual/dm-0', slaves: ['pci/sda/sda1'] },
    '253:1': { at: 'virtual/dm-1', slaves: ['virtual/dm-0'] },
  });
  for (const number of [dev(8, 0), dev(8, 1), dev(253, 0), dev(253, 1)])
    assert.equal(deviceByNumber(number, root), 'sda', String(number));
});

test('a name with a slash has another sign in sysfs', (t) => {
  const root = sys(t, {
    '104:0': { at: 'pci/cciss!c0d0' },
    '104:1': { at: 'pci/cciss!c0d0/cciss!c0d0p1', part: true },
  });
  assert.equal(deviceByNumber(dev(104, 1), root), 'cciss/c0d0');
});

test('without one disk below there is nothing to limit', (t) => {
  const root = sys(t, {
    '8:0': { at: 'pci/sda' },
    '8:16': { at: 'pci/sdb' },
    '9:0': { at: 'virtual/md0', slaves: ['pci/sda', 'pci/sdb'] },
  });
  // tmpfs, overlay, NFS and btrfs have numbers of no device.
  assert.equal(deviceByNumber(dev(0, 45), root), undefined);
  assert.equal(deviceByNumber(dev(9, 0), root), undefined);
  assert.equal(deviceByNumber(dev(7, 3), root), undefined);
});
