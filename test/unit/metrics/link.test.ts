import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { monotonicMs, poll } from '../../../src/host/time.ts';
import { Link } from '../../../src/metrics/statd/link.ts';
import { Pulse } from '../../../src/metrics/statd/pulse.ts';
import { FakeQmpServer } from '../../support/fake-qmp.ts';

/** A link that is up, and the names of the events it has heard. */
async function world(
  t: TestContext,
): Promise<{ link: Link; fake: FakeQmpServer; heard: string[] }> {
  const fake = await FakeQmpServer.start();
  const heard: string[] = [];
  const quiet = (): void => undefined;
  const pulse = new Pulse(() => ({ atMs: 0, threads: new Map(), throttledUsec: null }));
  const link = new Link(fake.path, pulse, {
    onUp: quiet,
    onDown: quiet,
    onHung: quiet,
    onEvent: ({ name }) => heard.push(name),
  });
  t.after(async () => {
    link.close();
    await fake.stop();
  });
  link.poke();
  const up = await poll(() => link.isUp || undefined, { deadlineMs: 10_000, everyMs: 5 });
  assert.ok(up, 'the link does not come up');
  return { link, fake, heard };
}

test('what QEMU said last is heard when its end is seen first', async (t) => {
  const { link, fake, heard } = await world(t);
  fake.emit('SHUTDOWN', { guest: true, reason: 'guest-shutdown' });
  fake.client.hangUp();
  assert.deepEqual(heard, []);
  await link.drained(20_000);
  assert.deepEqual(heard, ['SHUTDOWN']);
  assert.equal(link.isUp, false);
  // Then there is nothing to wait for.
  const began = monotonicMs();
  await link.drained(20_000);
  assert.ok(monotonicMs() - began < 10_000);
});

test('a connection that does not end is not waited for any longer than that', async (t) => {
  const { link } = await world(t);
  const began = monotonicMs();
  await link.drained(50);
  assert.ok(monotonicMs() - began >= 49);
  assert.ok(link.isUp);
});
