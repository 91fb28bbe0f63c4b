import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { type TestContext, test } from 'node:test';
import { Paths, type VmFiles } from '../../../src/host/paths.ts';
import { bootId, selfIdentity } from '../../../src/host/process.ts';
import {
  forgetIncarnation,
  type Incarnation,
  writeIncarnation,
} from '../../../src/store/incarnation.ts';
import { lastRun, noteEnd } from '../../../src/store/last-run.ts';
import { parseVmName } from '../../../src/types.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

function filesOf(t: TestContext): VmFiles {
  const directory = temporaryDirectory(t);
  const files = new Paths(directory, `${directory}/run`).vm(parseVmName('web1'));
  fs.mkdirSync(files.directory, { recursive: true });
  fs.mkdirSync(files.run, { recursive: true });
  return files;
}

const base = { runner: 'direct', accel: 'tcg', started_at: '2026-01-01T00:00:00.000Z' } as const;
const alive: Incarnation = { ...base, ...selfIdentity() };
/** The start time is another's: this process never was. */
const gone: Incarnation = { ...alive, startTime: 1, bootId: bootId() };

test('what a run left tells how it ended', (t) => {
  const files = filesOf(t);
  assert.equal(lastRun(files), undefined);
  writeIncarnation(files, alive);
  assert.equal(lastRun(files)?.end, 'goes-on');
  writeIncarnation(files, gone);
  assert.equal(lastRun(files)?.end, 'in-order');
  fs.writeFileSync(files.pid, '1');
  assert.equal(lastRun(files)?.end, 'broken-off');
  writeIncarnation(files, { ...gone, bootId: 'another boot' });
  assert.equal(lastRun(files)?.end, 'host-down');
});

test('what a verb is about to end is noted as asked for, and stays so', (t) => {
  const files = filesOf(t);
  fs.writeFileSync(files.pid, '1');
  writeIncarnation(files, alive);
  noteEnd(files, 'gc', false);
  assert.ok(!fs.existsSync(files.ended), 'a run that goes on has no end');
  noteEnd(files, 'kill', true);
  assert.equal(lastRun(files)?.end, 'goes-on');
  // It is gone now, and who finds it so knows no better.
  const note = JSON.parse(fs.readFileSync(files.ended, 'utf8'));
  fs.writeFileSync(files.ended, JSON.stringify({ ...note, run: gone }));
  writeIncarnation(files, gone);
  noteEnd(files, 'gc', false);
  const { end, by } = lastRun(files) ?? {};
  assert.deepEqual([end, by], ['asked', 'kill']);
});

/** How the last run ended, and who noted it. */
function told(files: VmFiles): unknown[] {
  const last = lastRun(files);
  return [last?.end, last?.by];
}

test('the end that is found outlives what tells of it, and who wants the VM off is noted', (t) => {
  const files = filesOf(t);
  fs.writeFileSync(files.pid, '1');
  writeIncarnation(files, gone);
  noteEnd(files, 'gc', false);
  forgetIncarnation(files);
  fs.rmSync(files.pid);
  assert.deepEqual(told(files), ['broken-off', 'gc']);
  noteEnd(files, 'doctor', false);
  assert.deepEqual(told(files), ['broken-off', 'gc']);
  noteEnd(files, 'stop', false);
  assert.deepEqual(told(files), ['broken-off', 'stop']);
  noteEnd(files, 'gc', false);
  assert.deepEqual(told(files), ['broken-off', 'stop']);
});

test('who wants a VM off is heeded though its QEMU was ended to be started again', (t) => {
  const files = filesOf(t);
  writeIncarnation(files, alive);
  noteEnd(files, 'restart-crashed', true);
  forgetIncarnation(files);
  assert.deepEqual(told(files), ['asked', 'restart-crashed']);
  noteEnd(files, 'gc', false);
  assert.deepEqual(told(files), ['asked', 'restart-crashed']);
  noteEnd(files, 'stop', false);
  assert.deepEqual(told(files), ['asked', 'stop']);
});

test('damaged notes tell nothing, and keep nobody from ending a VM', (t) => {
  const files = filesOf(t);
  for (const text of ['', '{', '[]', '{"run":{}}']) {
    fs.writeFileSync(files.process, text);
    fs.writeFileSync(files.ended, text);
    assert.equal(lastRun(files), undefined, text);
    noteEnd(files, 'stop', true);
  }
  fs.rmSync(files.directory, { recursive: true });
  noteEnd(files, 'stop', true);
});
