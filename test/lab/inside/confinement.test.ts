import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { becomeUser } from '../../../src/vm/qemu-user.ts';
import { configureBridge, guestImage, verb } from '../suite/verbs.ts';

// A QEMU that a guest has taken over is a process with QEMU's user, groups and privileges. What it could try
// is tried here by a shell that is started the same way as the QEMU of VM evil1.

const root = { as: (argv: string[]) => argv, who: 'root' };
const STATE = '/var/lib/blockhost-qemu';
const RUN = '/run/blockhost-qemu';
const CONNECT = `
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
s.connect(sys.argv[1])
`;

before(async () => {
  configureBridge();
  const tiny = ['--image', await guestImage(), '--memory', '96', '--disk', '1', '--apply'];
  for (const name of ['evil1', 'good1']) {
    const { code, stderr } = await verb(root, 'create', name, ...tiny);
    assert.equal(code, 0, stderr);
  }
});

async function asQemu(...argv: string[]): Promise<{ exitCode: number; stderr: string }> {
  const { qemu_uid: uid } = JSON.parse(fs.readFileSync(`${STATE}/vms/evil1/vm.json`, 'utf8'));
  const user = { uid, gid: uid, groups: [], accessGid: 0 };
  const [command = '', ...args] = [...becomeUser(user), ...argv];
  const okCodes = Array.from({ length: 256 }, (_, code) => code);
  return await run(command, args, { okCodes, timeoutMs: 60_000 });
}

async function mayNot(what: string, ...argv: string[]): Promise<void> {
  const { exitCode, stderr } = await asQemu(...argv);
  assert.notEqual(exitCode, 0, `${what} is possible`);
  assert.match(stderr, /[Pp]ermission denied|not permitted|PermissionError/, `${what}: ${stderr}`);
}

test('what the shell is: the user of that QEMU, without any privilege', async () => {
  const pid = fs.readFileSync(`${RUN}/evil1/qemu.pid`, 'utf8').trim();
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const lines = (text: string): string[] =>
    text.split('\n').filter((line) => /^(Uid|Gid|Groups|Cap\w+|NoNewPrivs):/.test(line));
  const [command = '', ...args] = becomeUser({
    ...{ uid: 4242, gid: 4242, groups: [], accessGid: 0 },
    uid: Number(/^Uid:\t(\d+)/m.exec(status)?.[1]),
    gid: Number(/^Gid:\t(\d+)/m.exec(status)?.[1]),
  });
  const shell = await run(command, [...args, 'cat', '/proc/self/status']);
  assert.deepEqual(lines(status), lines(shell.stdout));
  assert.match(status, /^Seccomp:\t2$/m);
  assert.equal((await asQemu('test', '-r', `${STATE}/vms/evil1/disk.qcow2`)).exitCode, 0);
});

test("another VM's disk, seed, console and sockets are out of reach", async () => {
  for (const file of ['disk.qcow2', 'seed.iso', 'console.log', 'qemu.log'])
    await mayNot(file, 'cat', `${STATE}/vms/good1/${file}`);
  await mayNot(
    'writing the disk',
    'dd',
    'if=/dev/zero',
    `of=${STATE}/vms/good1/disk.qcow2`,
    'count=1',
  );
  for (const socket of ['qmp.sock', 'stat.sock', 'probe.sock', 'qga.sock', 'console.sock'])
    await mayNot(socket, 'python3', '-c', CONNECT, `${RUN}/good1/${socket}`);
  const pid = fs.readFileSync(`${RUN}/good1/qemu.pid`, 'utf8').trim();
  await mayNot('a signal', 'kill', '-0', pid);
  await mayNot('its memory', 'cat', `/proc/${pid}/mem`);
  await mayNot('its environment', 'cat', `/proc/${pid}/environ`);
});

test('what steers the root side cannot be written, not even its own', async () => {
  for (const name of ['evil1', 'good1']) {
    for (const file of ['vm.json', 'run.json', 'seed.iso'])
      await mayNot(file, 'sh', '-c', `echo x >>${STATE}/vms/${name}/${file}`);
    await mayNot('a new file', 'touch', `${STATE}/vms/${name}/new`);
    await mayNot('a rename', 'mv', `${STATE}/vms/${name}/disk.qcow2`, `${STATE}/vms/${name}/x`);
  }
  await mayNot(
    'the template',
    'sh',
    '-c',
    `for file in ${STATE}/templates/*/disk.qcow2; do echo x >>"$file"; done`,
  );
  await mayNot('the run directory', 'touch', `${RUN}/new`);
  await mayNot('the state directory', 'mkdir', `${STATE}/new`);
});

test('neither the settings of BlockHost nor its root agent are within reach', async () => {
  fs.writeFileSync('/etc/blockhost/key', 'secret', { mode: 0o640 });
  const { stdout } = await run('stat', ['-c', '%a', '/etc/blockhost']);
  assert.equal(stdout, '750');
  await mayNot('a key', 'cat', '/etc/blockhost/key');
  await mayNot('the database', 'ls', '/var/lib/blockhost/qemu/journal');
  await mayNot('the root agent', 'python3', '-c', CONNECT, '/run/blockhost/root-agent.sock');
  await mayNot('the manager', 'python3', '-c', CONNECT, '/run/systemd/private');
});

test('devices are out of reach but those QEMU needs', async () => {
  await mayNot('the disk of the host', 'dd', 'if=/dev/ubda', 'count=1');
  await mayNot('memory', 'dd', 'if=/dev/mem', 'count=1');
  // A tap that somebody else has made cannot be had, and none can be made.
  await mayNot('a tap', 'ip', 'tuntap', 'add', 'dev', 'evil0', 'mode', 'tap');
});

test('a symbolic link in the place of a socket leads nobody anywhere', async () => {
  const run1 = `${RUN}/evil1`;
  // The sampler has its own connection: without it, and what it said last, verbs look for themselves.
  await run('systemctl', ['stop', 'blockhost-qemu-statd']);
  fs.rmSync(`${RUN}/.statd/evil1`, { force: true });
  const moved = await asQemu(
    'sh',
    '-c',
    `mv ${run1}/probe.sock ${run1}/away && ln -s ${RUN}/good1/probe.sock ${run1}/probe.sock`,
  );
  assert.equal(moved.exitCode, 0, moved.stderr);
  try {
    const { stdout } = await verb(root, 'status', 'evil1');
    assert.equal(stdout.trim(), 'unknown');
  } finally {
    await asQemu('sh', '-c', `rm ${run1}/probe.sock && mv ${run1}/away ${run1}/probe.sock`);
  }
  assert.equal((await verb(root, 'status', 'evil1')).stdout.trim(), 'active');
});
