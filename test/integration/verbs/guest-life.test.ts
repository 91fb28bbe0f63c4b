import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { CONSOLE_LOG_BYTES } from '../../../src/vm/console-log.ts';
import { leftovers, processesAbout } from '../../support/leftovers.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
before(() => sandbox.create('web1'));

const status = async (): Promise<string> => (await sandbox.ok('status', ['web1'])).trimEnd();

async function until(what: string, probe: () => Promise<boolean> | boolean): Promise<void> {
  const seen = await poll(async () => ((await probe()) ? true : undefined), {
    deadlineMs: 60_000,
    everyMs: 100,
  });
  assert.ok(seen, what);
}

/** What a guest that is up says its boot's id is. */
async function bootId(): Promise<string | undefined> {
  const { code, stdout } = await sandbox.run('guest-exec', [
    'web1',
    'pidof acpid >/dev/null && grep -q pvpanic_pci /proc/modules && cat /proc/sys/kernel/random/boot_id',
  ]);
  return code === 0 ? stdout : undefined;
}

/** Does something in the guest that ends the agent before it can answer. */
function leave(command: string): Promise<string> {
  return sandbox.ok('guest-exec', [
    'web1',
    `setsid sh -c 'sleep 0.3; ${command}' </dev/null >/dev/null 2>&1 &`,
  ]);
}

test('a reboot from inside keeps the VM: same process, agent and account back', async () => {
  await until('the guest is up', async () => (await bootId()) !== undefined);
  const [pid, first] = [sandbox.pid('web1'), await bootId()];
  await leave('/sbin/reboot');
  await until('the guest is up again', async () => {
    assert.equal(await status(), 'active');
    const now = await bootId();
    return now !== undefined && now !== first;
  });
  assert.equal(sandbox.pid('web1'), pid);
  assert.match(await sandbox.sh('web1', 'grep ^admin: /etc/passwd'), /^admin:/);
});

test('the console log is bounded, and the newest lines are in it', async () => {
  const { consoleLog, consoleLogOld } = sandbox.files('web1');
  const sizes = (): number[] => [consoleLog, consoleLogOld].map((file) => fs.statSync(file).size);
  const printing = sandbox.ok('guest-exec', [
    'web1',
    `awk 'BEGIN { for (i = 1; i <= 50000; i++) printf "a line of the console, number %07d, and so on and so forth\\n", i }' >/dev/ttyS0; echo the very last >/dev/ttyS0`,
  ]);
  let most = 0;
  let done = false;
  const watching = until('nothing was printed', async () => {
    most = Math.max(most, ...sizes());
    await Promise.resolve();
    return done;
  });
  await printing;
  done = true;
  await watching;
  await until('the last line', () =>
    fs.readFileSync(consoleLog, 'latin1').includes('the very last'),
  );
  most = Math.max(most, ...sizes());
  assert.ok(most <= CONSOLE_LOG_BYTES, `${most} bytes`);
  const text = fs.readFileSync(consoleLogOld, 'latin1') + fs.readFileSync(consoleLog, 'latin1');
  assert.ok(text.length >= CONSOLE_LOG_BYTES, `${text.length} bytes are kept`);
  const numbers = [...text.matchAll(/number (\d{7}), and so on and so forth\r?\n/g)].map(([, n]) =>
    Number(n),
  );
  assert.equal(numbers.at(-1), 50_000);
  // No gap between the two halves.
  assert.equal(numbers.length, 50_000 - (numbers[0] ?? 0) + 1);
});

test('a guest that powers itself off leaves no process and no socket, and starts again', async () => {
  await leave('/sbin/poweroff');
  await until('the VM is off', async () => (await status()) === 'suspended');
  await until('a process is left', () => processesAbout(sandbox.state).length === 0);
  const { run } = sandbox.files('web1');
  const left = fs.existsSync(run) ? fs.readdirSync(run) : [];
  assert.deepEqual(
    left.filter((name) => name.endsWith('.sock')),
    [],
  );
  assert.equal(await sandbox.ok('stop', ['web1']), 'VM web1 is off already\n');
  assert.equal(await sandbox.ok('start', ['web1']), 'VM web1 is started\n');
  await until('the guest is up', async () => (await bootId()) !== undefined);
  assert.equal(await status(), 'active');
});

test('a guest that panics is suspended; stop does not wait for it', async () => {
  await leave('/sbin/panic');
  await until('the guest has panicked', async () => (await status()) === 'suspended');
  assert.ok(fs.existsSync(`/proc/${sandbox.pid('web1')}`));
  const refused = await sandbox.run('guest-exec', ['web1', 'true']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /QEMU says guest-panicked/);
  const started = await sandbox.run('start', ['web1']);
  assert.deepEqual([started.code, started.stdout], [1, '']);
  assert.match(started.stderr, /VM web1 cannot go on: QEMU says guest-panicked; run kill web1/);
  const { stdout, seconds } = await sandbox.run('stop', ['web1']);
  assert.match(stdout, /QEMU was told to quit/);
  assert.ok(seconds < 10, `${seconds} s`);
  assert.match(fs.readFileSync(sandbox.files('web1').consoleLog, 'latin1'), /Kernel panic/);
});

test('destroy leaves nothing of all that', async () => {
  await sandbox.ok('destroy', ['web1']);
  assert.deepEqual(await leftovers(sandbox.config.paths), []);
});
