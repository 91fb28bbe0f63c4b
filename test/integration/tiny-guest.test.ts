import assert from 'node:assert/strict';
import test from 'node:test';
import type { LineSocket } from '../support/tiny-guest/line-socket.ts';
import { Machine } from '../support/tiny-guest/machine.ts';

const NETWORK = {
  version: 2,
  ethernets: {
    nic0: {
      match: { macaddress: '52:54:00:aa:bb:01' },
      'set-name': 'eth0',
      addresses: ['10.0.2.15/24', 'fd00::15/128'],
      routes: [
        { to: 'default', via: '10.0.2.2' },
        { to: 'fd00::1/128', scope: 'link' },
        { to: '::/0', via: 'fd00::1', 'on-link': true },
      ],
      nameservers: { addresses: ['10.0.2.3'] },
    },
  },
};

const SEED = {
  'meta-data': '{"instance-id":"one","local-hostname":"tiny1"}\n',
  'user-data': '#cloud-config\n{"users":[{"name":"bob","gecos":"wallet=0x1"}]}\n',
  'network-config': `${JSON.stringify(NETWORK)}\n`,
};

test('the guest is configured by its seed, keeps its state over a reboot and powers off', async (t) => {
  const began = performance.now();
  await using machine = await Machine.boot(SEED);
  await machine.agent('guest-ping');
  t.diagnostic(`agent answers after ${((performance.now() - began) / 1000).toFixed(1)} s`);

  await machine.until('id -u bob');
  assert.equal(await machine.sh('hostname'), 'tiny1');
  assert.equal(await machine.sh('grep ^bob: /etc/passwd | cut -d: -f5'), 'wallet=0x1');
  assert.equal(await machine.sh("usermod -c 'wallet=0x2,nft=7' bob; echo $?"), '0');
  assert.match(await machine.sh('usermod -c x nobody; echo $?'), /does not exist\n6$/);
  assert.match(await machine.sh('ip -4 addr show eth0'), /inet 10\.0\.2\.15\/24/);
  assert.match(await machine.sh('ip -6 addr show eth0'), /inet6 fd00::15\/128/);
  assert.match(await machine.sh('ip route'), /^default via 10\.0\.2\.2 dev eth0/m);
  assert.match(await machine.sh('ip -6 route'), /^default via fd00::1 dev eth0/m);
  assert.match(await machine.sh('ping -c 1 -w 5 10.0.2.2'), /1 packets received/);
  await machine.sh('echo kept >/data/file');

  await machine.leave('reboot');
  await machine.event('RESET');
  await machine.until("grep -q ' /etc ' /proc/mounts");
  assert.equal(await machine.sh('cat /data/file'), 'kept');
  assert.equal(await machine.sh('grep ^bob: /etc/passwd | cut -d: -f5'), 'wallet=0x2,nft=7');
  assert.match(machine.console(), /tiny guest: ready[\s\S]*tiny guest: starting/);

  await machine.until('pidof acpid');
  await machine.qmp('system_powerdown');
  assert.equal((await machine.event('SHUTDOWN')).reason, 'guest-shutdown');
  await machine.ended();
});

test('the guest misbehaves as its mood asks for, and recovers', async () => {
  await using machine = await Machine.boot({ ...SEED, 'user-data': '#!/bin/sh\nmood off\n' });
  await machine.until('[ -e /run/power-button-ignored ]');
  await machine.qmp('system_powerdown');
  assert.equal(await machine.sh('sleep 1; echo on'), 'on');
  assert.match(await machine.sh('mood strange'), /^usage: mood/);

  await inMood(machine, 'agent-silent', async (agent) => {
    agent.send({ execute: 'guest-ping' });
    await assert.rejects(agent.bytes(1, 1000), /did not come/);
  });
  await inMood(machine, 'agent-drip', async (agent) => {
    await agent.bytes(20, 30_000);
    assert.match(agent.received.toString('latin1'), /7{5}$/);
  });
  await inMood(machine, 'agent-endless', async (agent) => {
    await agent.bytes(100_000, 30_000);
    assert.equal(agent.received.includes(0x0a), false);
  });
  await inMood(machine, 'agent-lie', async (agent) => {
    agent.send({ execute: 'guest-sync', arguments: { id: 4711 } });
    assert.equal(await agent.line(30_000), '{"return": 7, "id": "somebody-else"}');
  });
  await inMood(machine, 'agent-lie-later', async (agent) => {
    agent.send({ execute: 'guest-sync-delimited', arguments: { id: 4711 }, id: 'a' });
    assert.equal(await agent.line(30_000), '{"return": 4711, "id": "a"}');
    agent.send({ execute: 'guest-exec', arguments: { path: 'x' }, id: 'b' });
    assert.match(await agent.line(30_000), /^\{"return": \{"pid": "many".*"id": "b"\}$/);
  });
  await machine.sh('mood agent-absent 2');
  await machine.agentPortClosed();
  assert.equal(await machine.sh('echo back'), 'back');
});

test('a kernel panic is told to QEMU', async () => {
  await using machine = await Machine.boot(SEED);
  await machine.until('grep -q pvpanic_pci /proc/modules');
  await machine.leave('panic');
  assert.equal((await machine.event('GUEST_PANICKED')).action, 'pause');
});

/** Puts the guest's agent into a mood while `look` looks at it, and back to normal. */
async function inMood(
  machine: Machine,
  mood: string,
  look: (agent: LineSocket) => Promise<void>,
): Promise<void> {
  await machine.type(`/lib/agent/change ${mood}`);
  const agent = await machine.connectAgent();
  try {
    await look(agent);
  } finally {
    agent.close();
  }
  await machine.type('/lib/agent/change agent-normal');
  assert.equal(await machine.sh('echo back'), 'back');
}
