import * as assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { AgentClient } from '../../../src/qmp/agent/client.ts';
import { guestExec } from '../../../src/qmp/agent/exec.ts';
import { QmpClient } from '../../../src/qmp/client.ts';
import { FakeAgent } from '../../support/fake-agent.ts';
import { FakeQmpServer, NO_REPLY } from '../../support/fake-qmp.ts';

// A file of its own: what the process holds is counted, so no other test may run in it.

test('a closed client and a failed connect hold nothing: no timer, no socket, no descriptor', async () => {
  const before = sockets();
  const silent = await FakeQmpServer.start({ greeting: null });
  await assert.rejects(QmpClient.connect(silent.path, { deadlineMs: 30 }));
  const abort = new AbortController();
  const aborted = QmpClient.connect(silent.path, { signal: abort.signal });
  setTimeout(() => abort.abort(), 10);
  await assert.rejects(aborted, { name: 'AbortError' });
  await allLeft(silent);
  await silent.stop();

  const fake = await FakeQmpServer.start();
  fake.on('query-status', () => NO_REPLY);
  const qmp = await QmpClient.connect(fake.path);
  const calls = Promise.allSettled([
    qmp.execute('query-status', undefined, { deadlineMs: 60_000 }),
    qmp.once('STOP', { deadlineMs: 60_000 }),
  ]);
  qmp.close();
  await calls;
  await allLeft(fake);
  await fake.stop();

  const guest = await FakeAgent.start();
  guest.on('guest-exec', () => NO_REPLY);
  const agent = await AgentClient.open(guest.path);
  const running = guestExec(agent, { path: '/x' });
  agent.close();
  await assert.rejects(running);
  guest.on('guest-sync-delimited', () => NO_REPLY);
  await assert.rejects(AgentClient.open(guest.path, { deadlineMs: 30 }));
  await guest.stop();

  assert.equal(timers(), 0);
  assert.deepEqual(sockets(), before);
});

/** The socket of every client has been closed. The runner's own limit ends the wait if that never comes. */
async function allLeft(fake: FakeQmpServer): Promise<void> {
  while (fake.connected.now > 0) await new Promise(setImmediate);
}

/** What the process holds open that is a socket, or a socket's file. */
function sockets(): string[] {
  const found: string[] = [];
  for (const fd of fs.readdirSync('/proc/self/fd')) {
    const link = `/proc/self/fd/${fd}`;
    // The descriptor that read the directory is among them, and gone.
    if (fs.lstatSync(link, { throwIfNoEntry: false }) === undefined) continue;
    const target = fs.readlinkSync(link);
    if (/socket:|\.sock/.test(target)) found.push(target);
  }
  return found.sort();
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}
