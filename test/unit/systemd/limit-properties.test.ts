import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  cpuProperties,
  cpuWeight,
  ioProperties,
  setPropertyArgv,
} from '../../../src/systemd/limit-properties.ts';

test('1024 shares are the default weight, and weights keep their proportion', () => {
  assert.equal(cpuWeight(1024), 100);
  assert.equal(cpuWeight(3072), 300);
  assert.equal(cpuWeight(1), 1);
  assert.equal(cpuWeight(10_000), 977);
});

test('the quota is of all vCPUs together; without one the property has its default', () => {
  assert.deepEqual(cpuProperties({ quota: 50 }, 4), ['CPUWeight=', 'CPUQuota=200%']);
  assert.deepEqual(cpuProperties({ shares: 2048 }, 1), ['CPUWeight=200', 'CPUQuota=']);
});

test('behind the limits of QEMU stands a wider one on the disk below, or none', () => {
  assert.deepEqual(ioProperties({ iops_read: 500, bps_write: 1_000_000 }, 'sda'), [
    'IOReadIOPSMax=',
    'IOReadIOPSMax=/dev/sda 40000',
    'IOWriteIOPSMax=',
    'IOReadBandwidthMax=',
    'IOWriteBandwidthMax=',
    'IOWriteBandwidthMax=/dev/sda 300000000',
  ]);
  assert.deepEqual(ioProperties({ iops_read: 500 }, undefined), []);
});

test('a burst above a rate moves the fence with it, one below does not', () => {
  const limits = { iops_read: 100, iops_write: 3000, iops_burst: 2000, bps_read: 100 };
  assert.deepEqual(
    ioProperties(limits, 'sda').filter((property) => !property.endsWith('=')),
    [
      'IOReadIOPSMax=/dev/sda 160000',
      'IOWriteIOPSMax=/dev/sda 240000',
      'IOReadBandwidthMax=/dev/sda 10000000',
    ],
  );
});

test('no fence is so close that QEMU could not end', () => {
  const all = { iops_read: 1, iops_write: 1, bps_read: 1, bps_write: 1 };
  assert.deepEqual(
    ioProperties(all, 'sda').filter((property) => !property.endsWith('=')),
    [
      'IOReadIOPSMax=/dev/sda 1000',
      'IOWriteIOPSMax=/dev/sda 1000',
      'IOReadBandwidthMax=/dev/sda 10000000',
      'IOWriteBandwidthMax=/dev/sda 10000000',
    ],
  );
});

test('properties are set for this run of the unit', () => {
  assert.deepEqual(setPropertyArgv('blockhost-vm-web1.scope', ['CPUQuota=50%']), [
    'set-property',
    '--runtime',
    '--',
    'blockhost-vm-web1.scope',
    'CPUQuota=50%',
  ]);
});
