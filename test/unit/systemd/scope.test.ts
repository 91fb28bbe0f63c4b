import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import {
  clearScope,
  isStrangersScope,
  scopedNames,
  scopeGone,
  scopeName,
  scopePrefix,
} from '../../../src/systemd/scope.ts';
import { parseVmName } from '../../../src/types.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const name = parseVmName('web1');

test('the command follows the options of systemd-run, in a unit that is collected', () => {
  const prefix = scopePrefix(name, { memoryBytes: 1000, tasks: 7 }, '/state/vms/web1');
  assert.equal(prefix[0], 'systemd-run');
  assert.equal(prefix.at(-1), '--');
  for (const word of [
    '--scope',
    '--collect',
    '--unit=blockhost-vm-web1.scope',
    '--property=MemoryMax=1000',
    '--property=TasksMax=7',
    '--description=Virtual machine web1 (/state/vms/web1)',
  ])
    assert.ok(prefix.includes(word), word);
});

test('a scope the manager does not know is gone', async (t) => {
  assert.ok(await scopeGone(name, { deadlineMs: 0, units: temporaryDirectory(t) }));
  assert.ok(await scopeGone(name, { deadlineMs: 0, units: '/no/such/directory' }));
});

test('one it knows is waited for, and not for ever', async (t) => {
  const units = temporaryDirectory(t);
  const unit = path.join(units, scopeName(name));
  fs.writeFileSync(unit, '');
  assert.equal(await scopeGone(name, { deadlineMs: 30, units }), false);
  setTimeout(() => fs.rmSync(unit), 30);
  assert.ok(await scopeGone(name, { deadlineMs: 10_000, units }));
});

test('a scope tells which state directory its VM belongs to', (t) => {
  const units = temporaryDirectory(t);
  const isStrange = (): boolean => isStrangersScope(name, '/a 100%/vms/web1', units);
  assert.equal(isStrange(), false, 'there is none');
  for (const [described, strange] of [
    ['Virtual machine web1 (/a 100%%/vms/web1)', false],
    ['Virtual machine web1 (/b/vms/web1)', true],
    ['Virtual machine web1', false],
  ] as const) {
    const unit = `[Scope]\nSlice=blockhost-vm.slice\n\n[Unit]\nDescription=${described}\n`;
    fs.writeFileSync(path.join(units, scopeName(name)), unit);
    assert.equal(isStrange(), strange, described);
  }
  fs.writeFileSync(path.join(units, 'run-r1.scope'), '');
  assert.deepEqual(scopedNames(units), ['web1']);
  assert.deepEqual(scopedNames('/no/such/directory'), []);
});

test('an interruption ends the waiting', async (t) => {
  const units = temporaryDirectory(t);
  fs.writeFileSync(path.join(units, scopeName(name)), '');
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error('interrupted')), 20);
  await assert.rejects(
    scopeGone(name, { deadlineMs: 10_000, units, signal: abort.signal }),
    /interrupted/,
  );
});

test('what is left in a scope is killed, and one that survives that is told of', async (t) => {
  const units = temporaryDirectory(t);
  const unit = path.join(units, scopeName(name));
  const describe = (directory: string): void =>
    fs.writeFileSync(unit, `[Unit]\nDescription=Virtual machine web1 (${directory})\n`);
  const killed: string[] = [];
  const clear = (end: () => void): Promise<boolean> =>
    clearScope(name, '/state/vms/web1', {
      units,
      killedMs: 50,
      kill(vm) {
        killed.push(vm);
        end();
        return Promise.resolve();
      },
    });
  assert.ok(await clear(() => undefined));
  describe('/elsewhere/vms/web1');
  assert.ok(await clear(() => undefined));
  assert.deepEqual(killed, []);
  describe('/state/vms/web1');
  assert.ok(await clear(() => fs.rmSync(unit)));
  assert.deepEqual(killed, ['web1']);
  describe('/state/vms/web1');
  assert.equal(await clear(() => undefined), false);
});
