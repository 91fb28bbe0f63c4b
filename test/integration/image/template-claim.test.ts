import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, beforeEach, test } from 'node:test';
import { lockFile } from '../../../src/host/lock.ts';
import { poll } from '../../../src/host/time.ts';
import { readVmConfig } from '../../../src/store/vm-config.ts';
import { parseVmName, type VmName } from '../../../src/types.ts';
import { assertDisks } from '../../../src/vm/assert-disks.ts';
import { createVm } from '../../../src/vm/create.ts';
import { destroyVm } from '../../../src/vm/destroy.ts';
import { childrenOf } from '../../support/children.ts';
import { tinySpec } from '../../support/faults.ts';
import { type Injected, runInjected } from '../../support/inject/injected.ts';
import { leftovers } from '../../support/leftovers.ts';
import { Sandbox } from '../../support/sandbox.ts';

// A create that fails takes the image away that it has brought. Another one of the same image comes at that moment.

const sandbox = await Sandbox.make({ after });
const { paths } = sandbox.config;
const failing = await sandbox.with({ qemu_binary: '/bin/false', accel: 'tcg' });
const web2 = parseVmName('web2');
/** Everything about the template is decided, and it is about to go. */
const GOES = 'rename templates/TEMPLATE -> trash/TEMPLATE.RANDOM';

function create(name: VmName): Promise<unknown> {
  const extras = {
    ...{ hostname: undefined, forwards: [], segments: [], disks: [], userData: [] },
    ...{ address: undefined, wait: false },
  };
  return createVm(sandbox.host(), { ...tinySpec(sandbox.image, name), extras });
}

function createThatFails(how: 'stop' | 'kill'): Promise<Injected> {
  const argv = ['create', 'web1', ...sandbox.tiny, '--apply'];
  return runInjected(failing, argv, { point: GOES, how });
}

async function until<T>(what: string, probe: () => T | undefined): Promise<T> {
  const found = await poll(probe, { deadlineMs: 60_000, everyMs: 20 });
  assert.ok(found !== undefined, what);
  return found;
}

/** One of ours waits for its turn to claim: flock(1) has the file as its descriptor 3. */
function isWaiting(): true | undefined {
  const holds = (pid: number): boolean => {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/3`) === paths.claimsLock;
    } catch {
      return false;
    }
  };
  return childrenOf().some(holds) ? true : undefined;
}

/** What is made from a template that went is damaged for good. */
async function works(name: VmName): Promise<void> {
  const host = sandbox.host();
  await assertDisks(host, name, readVmConfig(name, paths.vm(name)));
  await destroyVm(host, name);
}

beforeEach(() => fs.rmSync(paths.templates, { recursive: true, force: true }));

test('who comes while a template is taken away waits, and brings it anew', async () => {
  const first = createThatFails('stop');
  const pid = await until('the first is about to remove its template', () => childrenOf('T')[0]);
  let isDone = false;
  const second = create(web2).finally(() => {
    isDone = true;
  });
  await until('the second waits, or is done', () => (isDone ? true : isWaiting()));
  const waited = !isDone;
  process.kill(pid, 'SIGCONT');
  const { code, reached } = await first;
  await second;
  assert.deepEqual([code, reached, waited], [1, true, true]);
  await works(web2);
  assert.deepEqual(await leftovers(paths), []);
});

test('one that goes before it is claimed is brought again', async () => {
  const options = { what: 'the template store', holder: 'a test', waitMs: 0 };
  const lock = await lockFile(paths.claimsLock, options);
  const made = create(web2);
  await until('it waits', isWaiting);
  const [id = ''] = fs.readdirSync(paths.templates);
  fs.rmSync(paths.template(id).directory, { recursive: true });
  lock.remove();
  await made;
  await works(web2);
});

test('a kill at that moment leaves the template, and gc takes the lock away', async () => {
  const { signal, reached } = await createThatFails('kill');
  assert.deepEqual([signal, reached], ['SIGKILL', true]);
  await create(web2);
  await works(web2);
  await sandbox.ok('gc', ['--execute']);
  assert.deepEqual(await leftovers(paths), []);
});
