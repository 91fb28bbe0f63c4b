import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { poll } from '../../src/host/time.ts';
import { processesAbout } from '../support/leftovers.ts';
import { LabHost } from './host/lab-host.ts';

// Started again by the test below, to be killed.
if (process.env.LAB_VICTIM !== undefined) {
  const host = await LabHost.boot({ after }, { program: false });
  process.stdout.write(`share ${host.share}\n`);
  await host.ok(['sleep', '1000'], { timeoutMs: 1_000_000 });
}

test('two hosts do not know of each other', async () => {
  const [one, two] = await Promise.all(
    [1, 2].map(() => LabHost.boot({ after }, { program: false })),
  );
  assert.ok(one !== undefined && two !== undefined);
  await one.sh('echo one >/root/name; echo shared >/lab/share/file');
  assert.equal(await two.sh('ls /root/name /lab/share/file 2>/dev/null || :'), '');
  assert.equal(fs.readFileSync(path.join(one.share, 'file'), 'utf8'), 'shared\n');
  await one.cutPower();
  assert.equal(await two.sh('echo on'), 'on');
});

for (const [who, ...before] of [
  ['a test process'],
  ['the runner of a test process', 'sh', '-c', '"$@"; exit $?', 'sh'],
]) {
  test(`${who} that is killed leaves no process and no file of a host`, async () => {
    const self = fileURLToPath(import.meta.url);
    const [command = '', ...args] = [...before, process.execPath, self];
    const env = { ...process.env, LAB_VICTIM: '1' };
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
    const directory = path.dirname(await shareOf(child));
    assert.notEqual(processesAbout(directory).length, 0);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const gone = (): true | undefined =>
      processesAbout(directory).length === 0 && !fs.existsSync(directory) ? true : undefined;
    assert.ok(await poll(gone, { deadlineMs: 30_000, everyMs: 50 }), 'something is left');
  });
}

async function shareOf(child: ChildProcess): Promise<string> {
  let said = '';
  child.stdout?.on('data', (text) => {
    said += text;
  });
  const wait = { deadlineMs: 200_000, everyMs: 50 };
  const share = await poll(() => /^share (\S+)$/m.exec(said)?.[1], wait);
  if (share === undefined) throw new Error(`the host does not come up: ${said}`);
  return share;
}
