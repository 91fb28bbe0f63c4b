import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { HostLostError, LabHost } from './host/lab-host.ts';

const host = await LabHost.boot({ after });
const bootId = (): Promise<string> => host.sh('cat /proc/sys/kernel/random/boot_id');

test('what a command says and how it ends comes back', async () => {
  const { code, stdout, stderr } = await host.exec(['sh', '-c', 'cat; echo two >&2; exit 3'], {
    input: 'one',
  });
  assert.deepEqual({ code, stdout, stderr }, { code: 3, stdout: 'one', stderr: 'two\n' });
  assert.equal((await host.exec(['sh', '-c', 'kill -9 $$'])).code, -9);
  assert.equal((await host.exec(['/nowhere'])).code, 127);
  await assert.rejects(host.ok(['false']), /^ProvisionerError: false: exit code 1/);
});

test('commands run side by side, and much output arrives whole', async () => {
  const lines = (await Promise.all([1, 2].map((n) => host.sh(`seq ${n} 50000`)))).map((text) =>
    text.split('\n'),
  );
  for (const [i, all] of lines.entries())
    assert.deepEqual([all[0], all.at(-1), all.length], [`${i + 1}`, '50000', 50_000 - i]);
});

test('a command that takes too long is killed', async () => {
  const slow = host.exec(['sh', '-c', 'echo began; sleep 1000'], { timeoutMs: 2000 });
  await assert.rejects(slow, /took over 2000 ms: began/);
  const none = await host.exec(['pgrep', '-x', 'sleep']);
  assert.equal(none.code, 1, none.stdout);
});

test('a reboot keeps the disk and nothing else', async () => {
  await host.sh('echo disk >/root/kept; echo memory >/run/lost');
  const before = await bootId();
  assert.equal(await host.reboot(), 2);
  assert.notEqual(await bootId(), before);
  assert.equal(await host.sh('cat /root/kept; ls /run/lost 2>/dev/null || :'), 'disk');
  assert.equal(await host.sh('systemctl is-system-running'), 'running');
});

test('a power cut keeps what was written through, and fails what was under way', async () => {
  await host.sh('echo synced >/root/synced; sync');
  await host.sh('echo not >/root/not-synced');
  const running = host.exec(['sleep', '1000']);
  await Promise.all([assert.rejects(running, HostLostError), host.cutPower()]);
  assert.equal(host.isOn, false);
  assert.throws(() => void host.exec(['true']), /the lab host is off/);
  assert.equal(await host.switchOn(), 3);
  assert.equal(await host.sh('cat /root/synced'), 'synced');
  // Its name may have reached the disk; its content has not.
  assert.equal(await host.sh('cat /root/not-synced 2>/dev/null || :'), '');
});

test('power off is orderly: what runs is told, and what it writes then is there', async () => {
  const unit = ['--quiet', '--unit=last', '--property=ExecStop=/bin/sh -c "echo bye >/root/last"'];
  await host.ok(['systemd-run', ...unit, 'sleep', '1000']);
  await host.powerOff();
  assert.equal(await host.switchOn(), 4);
  assert.equal(await host.sh('cat /root/last'), 'bye');
});
