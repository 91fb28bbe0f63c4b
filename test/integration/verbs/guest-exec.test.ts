import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import { after, before, test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import type { Finished } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
before(() => sandbox.create('web1', '--username', 'alice', '--owner-wallet', '0x1'));

const exec = (...words: string[]): Promise<Finished> =>
  sandbox.run('guest-exec', ['web1', ...words]);

/** A failure of host or guest: one line, exit code 1, in good time. */
function failsSoon({ code, stdout, stderr, seconds }: Finished, pattern: RegExp): void {
  assert.deepEqual([code, stdout], [1, ''], stderr);
  assert.match(stderr, /^blockhost-vm-guest-exec: [^\n]+\n$/);
  assert.match(stderr, pattern);
  assert.ok(seconds < 7, `${seconds} s`);
}

test('a command reaches the shell of the guest as it is: quotes, dollars, pipes, line breaks', async () => {
  const command = `x='it'"'"'s' y="a  b"; printf '%s|%s|%s\\n' "$x" "$y" '$HOME' \`echo tick\` |
  tr a-z A-Z; echo "$(( 6 * 7 ))" && echo "last \\"one\\""; # comment`;
  const { stdout, stderr, code } = await exec(command);
  assert.deepEqual([stdout, stderr, code], ['IT\'S|A  B|$HOME\nTICK||\n42\nlast "one"\n', '', 0]);
});

test('words after the name are joined by single spaces, and none is an option of ours', async () => {
  const { stdout } = await exec('echo', '--timeout', '5', '-v', '--help', '--', 'b  c');
  assert.equal(stdout, '--timeout 5 -v --help -- b c\n');
});

test('a first -- is for whoever is used to it, and what begins with a dash is a command too', async () => {
  assert.equal((await exec('--', 'echo', '--', 'a')).stdout, '-- a\n');
  await sandbox.ok('guest-exec', [
    'web1',
    "printf '#!/bin/sh\\necho ran $1\\n' >/bin/-x; chmod +x /bin/-x",
  ]);
  for (const words of [['-x 5'], ['-x', '5'], ['--', '-x', '5']]) {
    const { stdout, stderr, code } = await exec(...words);
    assert.deepEqual([stdout, stderr, code], ['ran 5\n', '', 0], words.join(' '));
  }
  const { stderr, code } = await exec('--', '-nowhere');
  assert.deepEqual([stderr, code], ['/bin/sh: -nowhere: not found\n', 127]);
});

test('every byte comes through, and stdout and stderr stay apart', async () => {
  const all = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i+1)); done';
  const { stdoutBytes } = await exec(all);
  assert.deepEqual(stdoutBytes, Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
  const { stdout, stderr, code } = await exec('echo out; echo err >&2; printf end; exit 7');
  assert.deepEqual([stdout, stderr, code], ['out\nend', 'err\n', 7]);
});

test('the exit code is the command’s own; a signal gives 128 and its number', async () => {
  assert.equal((await exec('exit 255')).code, 255);
  assert.equal((await exec('no-such-command')).code, 127);
  assert.equal((await exec('kill -9 $$')).code, 137);
  assert.equal((await exec('kill -15 $$')).code, 143);
});

test('a command of 300 KB', async () => {
  const words = Array.from({ length: 300 }, () => 'x'.repeat(1000));
  const { stdout, code, stderr } = await exec("printf '%s\\n'", ...words, '| wc -c');
  assert.deepEqual([stdout.trim(), code], ['300300', 0], stderr);
  const failing = await exec("printf '%s\\n'", ...words, '| wc -l; cat; exit 9');
  assert.deepEqual([failing.stdout.trim(), failing.code], ['300', 9]);
});

test('10 MiB of output', async () => {
  const { stdoutBytes, code, stderr } = await exec('dd if=/dev/zero bs=1M count=10 2>/dev/null');
  assert.deepEqual([stdoutBytes.length, code, stderr], [10 * 1024 * 1024, 0, '']);
  assert.ok(stdoutBytes.every((byte) => byte === 0));
});

test('two commands at once both finish, and a short one does not wait for a long one', async () => {
  const long = exec('sleep 6; echo long');
  await new Promise((resolve) => setTimeout(resolve, 500));
  const results = await Promise.all([exec('echo a'), exec('sleep 1; echo b')]);
  assert.deepEqual(
    results.map(({ stdout, code }) => [stdout, code]),
    [
      ['a\n', 0],
      ['b\n', 0],
    ],
  );
  const { stdout, code } = await long;
  assert.deepEqual([stdout, code], ['long\n', 0]);
});

test('--timeout bounds the command', async () => {
  const run = await sandbox.run('guest-exec', ['--timeout', '1', 'web1', 'sleep 60']);
  failsSoon(run, /did not finish within 1000 ms/);
});

test('what a client before left on the line does no harm', async () => {
  const { agent } = sandbox.files('web1');
  for (const bytes of [
    '{"execute": "guest-pi',
    '{"execute": "guest-info"}\n{"execute": "guest-ping", "id": 1}\n',
    Buffer.from([0xff, 0x00, 0x7b, 0xfe, 0x0a]),
    'x'.repeat(100_000),
  ]) {
    await say(agent, bytes);
    const { stdout, code, stderr } = await exec('echo fine');
    assert.deepEqual([stdout, code], ['fine\n', 0], stderr);
  }
});

test('somebody who holds the line: one line of explanation, soon', async () => {
  const socket = net.connect(sandbox.files('web1').agent);
  try {
    failsSoon(await exec('echo fine'), /busy or not answering/);
  } finally {
    socket.destroy();
  }
  assert.equal((await exec('echo fine')).stdout, 'fine\n');
});

test('update-gecos writes exactly wallet and id to the account of the record', async () => {
  const gecos = (): Promise<string> => sandbox.sh('web1', 'grep ^alice: /etc/passwd | cut -d: -f5');
  assert.equal(await gecos(), 'wallet=0x1');
  assert.equal(
    await sandbox.ok('update-gecos', ['web1', 'addr1_qx', '--nft-id', '12']),
    'VM web1: GECOS of alice is updated\n',
  );
  assert.equal(await gecos(), 'wallet=addr1_qx,nft=12');
  const id = '0123456789abcdef'.repeat(4);
  await sandbox.ok('update-gecos', ['web1', '0xAB', '--nft-id', id]);
  assert.equal(await gecos(), `wallet=0xAB,nft=${id}`);
  for (const [wallet, nft] of [
    ['a:b', '1'],
    ['a,b', '1'],
    ["x'; reboot; '", '1'],
    ['', '1'],
    ['0xAB', "1'; reboot; '"],
    ['0xAB', ''],
    ['0xAB', 'a b'],
  ] as const) {
    const { code, stderr } = await sandbox.run('update-gecos', ['web1', wallet, '--nft-id', nft]);
    assert.equal(code, 1);
    assert.match(stderr, /^blockhost-vm-update-gecos: [^\n]+ is not a valid [^\n]+\n$/);
  }
  assert.equal(await gecos(), `wallet=0xAB,nft=${id}`);
});

test('update-gecos: a failure of usermod is told with its words', async () => {
  const { records } = sandbox.config.paths;
  const before = fs.readFileSync(records, 'utf8');
  fs.writeFileSync(records, before.replace('"alice"', '"nobody-here"'));
  const { code, stderr } = await sandbox.run('update-gecos', ['web1', '0xAB', '--nft-id', '1']);
  fs.writeFileSync(records, before);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^[^\n]*usermod failed in the guest with exit code 6; [^\n]*nobody-here[^\n]*\n$/,
  );
});

for (const [mood, message] of [
  ['absent', /the guest agent is not running in the guest/],
  ['silent', /not answering/],
  ['drip', /not answering/],
  ['lie', /not answering/],
  ['lie-later', /guest agent/],
  ['endless', /guest agent/],
] as const) {
  test(`an agent in the mood ${mood}: one line of explanation, soon; and well again afterwards`, async () => {
    await enter(mood);
    failsSoon(await exec('echo fine'), message);
    const well = async (): Promise<true | undefined> =>
      (await exec('echo fine')).stdout === 'fine\n' ? true : undefined;
    assert.ok(await poll(well, { deadlineMs: 60_000, everyMs: 100 }));
  });
}

test('a VM that is off, and one that never was', async () => {
  await sandbox.ok('kill', ['web1']);
  failsSoon(await exec('true'), /VM web1 is not running; run start web1 first/);
  failsSoon(await sandbox.run('guest-exec', ['web2', 'true']), /VM web2 does not exist/);
  const gecos = await sandbox.run('update-gecos', ['web1', '0xAB', '--nft-id', '1']);
  assert.deepEqual([gecos.code, gecos.stdout], [1, '']);
  assert.match(gecos.stderr, /VM web1 is not running/);
});

/** Puts the agent into the mood for some seconds; the guest tells by its console when it has begun. */
async function enter(mood: string): Promise<void> {
  const began = `in the mood ${mood}`;
  const wait = `while [ "$(cat /run/agent.pid)" = "$0" ]; do usleep 50000; done; usleep 200000; echo ${began} >/dev/ttyS0`;
  await exec(
    `old=$(cat /run/agent.pid); setsid sh -c '${wait}' "$old" </dev/null >/dev/null 2>&1 & mood agent-${mood} 10`,
  );
  const { consoleLog } = sandbox.files('web1');
  const told = (): true | undefined =>
    fs.readFileSync(consoleLog, 'latin1').includes(began) ? true : undefined;
  assert.ok(await poll(told, { deadlineMs: 30_000, everyMs: 20 }), 'the mood does not begin');
}

function say(path: string, bytes: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path, () => socket.end(bytes, () => socket.destroy()));
    socket.once('error', reject);
    socket.once('close', () => resolve());
  });
}
