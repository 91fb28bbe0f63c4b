import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import { after, before, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
const port = await freePort();

before(async () => {
  const image = `${sandbox.state}-data.qcow2`;
  fs.writeFileSync(`${image}.raw`, 'on the second disk'.padEnd(1024 * 1024));
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', `${image}.raw`, image]);
  await sandbox.create('first1');
  await Promise.all([
    sandbox.create(
      'web1',
      ...[
        '--hostname',
        'shop',
        '--forward',
        `${port}:8080`,
        '--private-network',
        '192.168.77.2/24',
      ],
      ...['--extra-disk', '1', '--extra-disk', image],
    ),
    sandbox.create('web2', '--private-network', '192.168.77.3/24'),
    sandbox.create('web3', '--private-network', '192.168.78.3/24'),
  ]);
});

test('the guest has the host name that was asked for', async () => {
  assert.equal(await sandbox.sh('web1', 'hostname'), 'shop');
});

test('a forwarded port leads to the guest', async () => {
  await sandbox.sh('web1', 'echo hello >/tmp/said; nc -l -p 8080 </tmp/said >/dev/null 2>&1 &');
  assert.equal(await poll(() => heard(port), { deadlineMs: 30_000, everyMs: 200 }), 'hello\n');
});

test('VMs in one subnet see each other, others do not', async () => {
  assert.match(
    await sandbox.sh('web1', 'ping -c 1 -w 10 192.168.77.3'),
    /1 packets received, 0% packet loss/,
  );
  assert.equal(await sandbox.sh('web3', 'ip route get 192.168.78.9 | grep -c eth1'), '1');
  // web3's card is on another network even when it is given an address of the first one.
  await sandbox.sh('web3', 'ip addr add 192.168.77.9/24 dev eth1');
  const { code } = await sandbox.run('guest-exec', ['web3', 'ping -c 1 -w 2 192.168.77.2']);
  assert.equal(code, 1);
});

test('further disks are there, in order, and one has the content of its image', async () => {
  assert.equal(
    await sandbox.sh('web1', 'cat /sys/class/block/vdc/size; head -c 18 /dev/vdd'),
    `${1024 * 1024 * 2}\non the second disk`,
  );
});

test('a port that another VM has is refused, by name, and nothing is left', async () => {
  const { code, stderr } = await sandbox.run('create', [
    ...['web9', ...sandbox.tiny, '--forward', `${port}:80`, '--apply'],
  ]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    new RegExp(`VM web9: tcp port ${port} of 127.0.0.1 is in use: VM web1 has it; `),
  );
  assert.equal(JSON.parse(await sandbox.ok('inspect', ['web9'])).state, 'absent');
});

test('rules, addresses and disks that make no sense are refused before anything is done', async () => {
  for (const [words, expected] of [
    [['--forward', '80'], /--forward "80" is not a rule; use /],
    [['--forward', '0:80'], /--forward "0:80" is not a rule/],
    [['--forward', '8080:80', '--forward', '8080:81'], /takes tcp port 8080 of 127.0.0.1 twice/],
    [['--private-network', '10.0.0.1'], /--private-network "10.0.0.1" is not an address with/],
    [
      ['--private-network', '10.0.0.0/24'],
      /"10.0.0.0\/24" is the address of the network itself; use one from/,
    ],
    [
      ['--private-network', '10.0.2.9/24'],
      /10.0.2.9\/24 lies in 10.0.2.0\/24, which is the VM's user network/,
    ],
    [['--gateway', '10.0.0.1'], /--gateway is for --address only/],
    [['--extra-disk', '/nowhere'], /--extra-disk "\/nowhere" is neither a size nor an image/],
    [['--address', '10.0.0.1/24'], /--address is for bridge networking only/],
  ] as const) {
    const { code, stderr } = await sandbox.run('create', ['web9', ...sandbox.tiny, ...words]);
    assert.equal(code, 1);
    assert.match(stderr, expected);
  }
});

test('--no-wait returns before the guest is ready', async () => {
  await sandbox.create('soon1', '--no-wait');
  const { state, ssh } = JSON.parse(await sandbox.ok('inspect', ['soon1']));
  assert.equal(state, 'running');
  assert.equal(ssh.host, '127.0.0.1');
  await sandbox.ok('destroy', ['soon1']);
});

test('configure changes a VM that is off, for its next start', async () => {
  const running = await sandbox.run('configure', ['web1', '--cpu', '1']);
  assert.match(running.stderr, /VM web1 is running: only one that is off can be changed/);
  await sandbox.ok('kill', ['web1']);
  const other = await freePort();
  assert.equal(
    await sandbox.ok('configure', ['web1', '--memory', '160', '--forward', `${other}:8080`]),
    'VM web1: memory_mb, forwards changed\n',
  );
  assert.equal(
    await sandbox.ok('configure', ['web1', '--memory', '160']),
    'VM web1: nothing changed\n',
  );
  const { memory_mb, forwards } = JSON.parse(await sandbox.ok('inspect', ['web1']));
  assert.deepEqual([memory_mb, forwards[0].host_port], [160, other]);
  await sandbox.ok('start', ['web1']);
  assert.match(await sandbox.ok('configure', ['web1', '--no-forward']).catch(String), /is running/);
});

function heard(from: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = net.connect({ host: '127.0.0.1', port: from });
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text === '' ? undefined : text));
    socket.setTimeout(3000, () => socket.destroy());
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port: found } = server.address() as net.AddressInfo;
      server.close(() => resolve(found));
    });
  });
}
