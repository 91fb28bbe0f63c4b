import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { asEngine } from '../host/engine.ts';

async function engine(script: string, okCodes = [0]): Promise<{ stdout: string; code: number }> {
  const [command = '', ...args] = asEngine(['sh', '-c', script]);
  const { stdout, exitCode } = await run(command, args, { okCodes });
  return { stdout, code: exitCode };
}

test('files that are writable for everybody are not for the engine', async () => {
  // The user alone would be allowed to: it is the sandbox that says no.
  for (const parent of ['/etc', '/run/blockhost-qemu', '/var/lib/blockhost-qemu']) {
    const folder = `${parent}/open`;
    fs.mkdirSync(folder);
    fs.chmodSync(folder, 0o777);
    const { stdout } = await engine(`touch ${folder}/x 2>&1 || echo no`);
    assert.match(stdout, /Read-only file system\nno$/);
    const without = ['--reuid=blockhost', '--regid=blockhost', '--clear-groups'];
    await run('setpriv', [...without, 'touch', `${folder}/x`]);
    fs.rmSync(folder, { recursive: true });
  }
});

test('its /tmp is not ours', async () => {
  fs.writeFileSync('/tmp/ours', '');
  assert.equal((await engine('ls -A /tmp; touch /tmp/theirs')).stdout, '');
  assert.equal(fs.existsSync('/tmp/theirs'), false);
});

test('a setuid program gives it nothing', async () => {
  fs.copyFileSync('/usr/bin/id', '/var/lib/setuid-id');
  fs.chmodSync('/var/lib/setuid-id', 0o4755);
  assert.match(
    (await engine('/var/lib/setuid-id')).stdout,
    /^uid=\d+\(blockhost\) gid=\d+\(blockhost\) groups=/,
  );
  const plain = ['--reuid=blockhost', '--regid=blockhost', '--clear-groups', '/var/lib/setuid-id'];
  assert.match((await run('setpriv', plain)).stdout, /euid=0\(root\)/);
  fs.rmSync('/var/lib/setuid-id');
});

test('what it prints and how it ends comes back', async () => {
  const { stdout, code } = await engine('echo out; exit 7', [7]);
  assert.deepEqual([stdout, code], ['out', 7]);
});
