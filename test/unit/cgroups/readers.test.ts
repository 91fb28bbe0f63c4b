import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { readCpu } from '../../../src/cgroups/cpu.ts';
import { Cgroup, unifiedPath } from '../../../src/cgroups/group.ts';
import { readIo } from '../../../src/cgroups/io.ts';
import { readMemory } from '../../../src/cgroups/memory.ts';
import { readPids } from '../../../src/cgroups/pids.ts';
import { readPressure } from '../../../src/cgroups/pressure.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

function group(t: TestContext, files: Record<string, string>): Cgroup {
  const directory = temporaryDirectory(t);
  for (const [name, content] of Object.entries(files))
    fs.writeFileSync(path.join(directory, name), content);
  const made = new Cgroup(directory);
  t.after(() => made.close());
  return made;
}

test('each controller is read from its files', (t) => {
  const full = group(t, {
    'cpu.stat':
      'usage_usec 5000\nuser_usec 4000\nsystem_usec 1000\nnr_throttled 2\nthrottled_usec 70\n',
    'cpu.pressure':
      'some avg10=1.50 avg60=0.20 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n',
    'memory.current': '104857600\n',
    'memory.stat': 'anon 90000000\nfile 14857600\nanon_thp 1\n',
    'memory.events': 'low 0\nhigh 0\nmax 0\noom 3\noom_kill 1\n',
    'io.stat':
      '8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=10 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n',
    'pids.current': '7\n',
  });
  assert.deepEqual(readCpu(full), { usageUsec: 5000, throttledUsec: 70 });
  assert.deepEqual(readPressure(full, 'cpu'), { totalUsec: 1234, percent10s: 1.5 });
  assert.deepEqual(readMemory(full), {
    currentBytes: 104857600,
    anonymousBytes: 90000000,
    oomKills: 1,
  });
  assert.deepEqual(readIo(full), { readBytes: 110, writtenBytes: 220, reads: 4, writes: 6 });
  assert.deepEqual(readPids(full), { current: 7 });
});

test('a cgroup that has vanished, or lacks a controller, is nothing and no failure', (t) => {
  const gone = group(t, {});
  fs.rmSync(gone.directory, { recursive: true });
  assert.equal(readCpu(gone), undefined);
  assert.equal(readMemory(gone), undefined);
  assert.equal(readIo(gone), undefined);
  assert.equal(readPids(gone), undefined);
  for (const resource of ['cpu', 'memory', 'io'] as const)
    assert.equal(readPressure(gone, resource), undefined);
  const bare = group(t, { 'cpu.stat': 'usage_usec 1\n', 'memory.current': '5\n' });
  assert.deepEqual(readCpu(bare), { usageUsec: 1, throttledUsec: null });
  assert.deepEqual(readMemory(bare), { currentBytes: 5, anonymousBytes: null, oomKills: null });
});

test('only a v2 path counts, and none that leads upwards', () => {
  assert.equal(unifiedPath('0::/a.slice/b.scope\n'), '/a.slice/b.scope');
  assert.equal(unifiedPath('12:cpu:/x\n1:name=systemd:/y\n0::/z\n'), '/z');
  assert.equal(unifiedPath('12:cpu:/x\n'), undefined);
  assert.equal(unifiedPath('0::/../../etc\n'), undefined);
});

test('the cgroup of a process that shares it with others is not taken for its own', () => {
  assert.equal(Cgroup.of(process.pid, 'blockhost-vm-web1.scope'), undefined);
});
