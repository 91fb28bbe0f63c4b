import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { sleep } from '../../../src/host/time.ts';
import { ATTACKS, FROM_OUTSIDE, TO_THE_NEIGHBOUR } from '../../support/net/attacks.ts';
import {
  arp,
  BROADCAST,
  dhcp,
  ETHERTYPE,
  ethernet,
  icmpv6,
  ipv4,
  ipv6,
  ndMac,
  ndTarget,
  solicitedNode,
  udp,
} from '../../support/net/frames.ts';
import { guardCalls } from '../../support/net/guard-calls.ts';
import { LEGITIMATE } from '../../support/net/legitimate.ts';
import type { Port } from '../../support/net/port.ts';
import {
  LAN,
  makeSegment,
  marked,
  NEIGHBOUR,
  NEIGHBOUR_TAP,
  type Segment,
  VM,
  VM_TAP,
} from '../../support/net/segment.ts';

// Two networks that differ in one thing: in `open` nothing confines the VMs. What arrives there and not in
// `guarded` was held up by us and not by a frame that no bridge would carry.
const guarded = await makeSegment(
  { after },
  {
    isolated: true,
    async before(namespace) {
      const results = await guardCalls(namespace, [
        { install: { tap: VM_TAP, ...VM } },
        { install: { tap: NEIGHBOUR_TAP, ...NEIGHBOUR } },
      ]);
      assert.deepEqual(results, [null, null]);
    },
  },
);
const open = await makeSegment({ after }, { isolated: false });

const OBSERVERS = ['lan', 'host', 'neighbour'] as const;
const last = LEGITIMATE.find(({ name }) => name === 'ARP request');

/** Sends frames from the VM, honest ones around each. @returns where each was seen. */
async function send(segment: Segment, attacks: readonly { name: string; frame: Buffer }[]) {
  assert.ok(last !== undefined);
  const sent = attacks.map(({ name, frame }) => ({ name, ...marked(frame) }));
  for (const { frame } of sent) {
    segment.vm.send(frame);
    const honest = marked(last.frame);
    segment.vm.send(honest.frame);
    await segment.lan.sees(honest.mark, 'what follows an attack');
    await segment.host.sees(honest.mark, 'what follows an attack');
  }
  await sleep(300);
  return sent.map(({ name, mark }) => ({
    name,
    seen: OBSERVERS.filter((observer) => segment[observer].has(mark)),
  }));
}

test('what an honest guest sends arrives', async () => {
  const sent = LEGITIMATE.map((one) => ({ ...one, ...marked(one.frame) }));
  for (const { frame } of sent) guarded.vm.send(frame);
  for (const { name, mark, at } of sent)
    for (const port of at) await guarded[port].sees(mark, `${name} at ${port}`);
});

test('without a guard every attack arrives somewhere: they are real', async () => {
  for (const { name, seen } of await send(open, ATTACKS)) assert.notDeepEqual(seen, [], name);
});

test('no attack arrives anywhere, while honest frames between them do', async () => {
  for (const { name, seen } of await send(guarded, ATTACKS)) assert.deepEqual(seen, [], name);
});

test('a neighbour that can be reached without isolation cannot with it', async () => {
  // The open bridge believes by now that the neighbour is at the VM's port.
  const home = marked(fromNeighbour());
  open.neighbour.send(home.frame);
  await open.lan.sees(home.mark, 'a frame of the neighbour');
  const reached = await send(open, TO_THE_NEIGHBOUR);
  for (const { name, seen } of reached) assert.ok(seen.includes('neighbour'), name);
  for (const { name, seen } of await send(guarded, TO_THE_NEIGHBOUR))
    assert.ok(!seen.includes('neighbour'), name);
});

test('the filter alone keeps neighbours apart as well', async () => {
  for (const tap of [VM_TAP, NEIGHBOUR_TAP])
    await guarded.namespace.ip(`link set dev ${tap} type bridge_slave isolated off`);
  try {
    for (const { name, seen } of await send(guarded, TO_THE_NEIGHBOUR))
      assert.ok(!seen.includes('neighbour'), name);
  } finally {
    for (const tap of [VM_TAP, NEIGHBOUR_TAP])
      await guarded.namespace.ip(`link set dev ${tap} type bridge_slave isolated on`);
  }
});

test('the neighbour keeps its place: its frames reach the network, and answers reach it', async () => {
  const out = marked(fromNeighbour());
  guarded.neighbour.send(out.frame);
  await guarded.lan.sees(out.mark, 'a frame of the neighbour');
  const back = marked(fromLan(NEIGHBOUR.mac, NEIGHBOUR.ipv4));
  guarded.lan.send(back.frame);
  await guarded.neighbour.sees(back.mark, 'the answer');
  await sleep(300);
  assert.equal(guarded.vm.has(back.mark), false);
});

test('a VM gets what is meant for it from outside', async () => {
  const node = solicitedNode(VM.ipv6);
  const frames: Record<string, Buffer> = {
    'unicast IPv4': fromLan(VM.mac, VM.ipv4),
    'broadcast IPv4': fromLan(BROADCAST, '192.0.2.255'),
    'ARP request': lanArp(1, LAN.ipv4, VM.ipv4, BROADCAST),
    'ARP reply': lanArp(2, LAN.ipv4, VM.ipv4, VM.mac),
    'announcement of an address that moved': lanArp(1, LAN.ipv4, LAN.ipv4, BROADCAST),
    'neighbour solicitation': ethernet(
      node.mac,
      LAN.mac,
      ETHERTYPE.ipv6,
      ipv6({
        ...{ from: LAN.ipv6, to: node.group, next: 58 },
        payload: icmpv6(135, ndTarget(VM.ipv6), ndMac(1, LAN.mac)),
      }),
    ),
    'DHCP reply': ethernet(
      VM.mac,
      LAN.mac,
      ETHERTYPE.ipv4,
      ipv4({
        ...{ from: LAN.ipv4, to: VM.ipv4, protocol: 17 },
        payload: udp(67, 68, dhcp({ op: 2, type: 5, chaddr: VM.mac, yiaddr: VM.ipv4 })),
      }),
    ),
  };
  for (const [name, bytes] of Object.entries(frames)) {
    const { frame, mark } = marked(bytes);
    guarded.lan.send(frame);
    await guarded.vm.sees(mark, name);
  }
});

test('a VM does not get what is none of its business', async () => {
  const arrived = async ({ lan, vm }: { lan: Port; vm: Port }): Promise<string[]> => {
    const sent = FROM_OUTSIDE.map(({ name, frame }) => ({ name, ...marked(frame) }));
    for (const { frame } of sent) lan.send(frame);
    const honest = marked(fromLan(BROADCAST, '192.0.2.255'));
    lan.send(honest.frame);
    await vm.sees(honest.mark, 'what follows');
    await sleep(300);
    return sent.filter(({ mark }) => vm.has(mark)).map(({ name }) => name);
  };
  assert.deepEqual(
    await arrived(open),
    FROM_OUTSIDE.map(({ name }) => name),
  );
  assert.deepEqual(await arrived(guarded), []);
});

function fromNeighbour(): Buffer {
  return ethernet(
    LAN.mac,
    NEIGHBOUR.mac,
    ETHERTYPE.ipv4,
    ipv4({ from: NEIGHBOUR.ipv4, to: LAN.ipv4, protocol: 17, payload: udp(4000, 53) }),
  );
}

function fromLan(mac: string, ip: string): Buffer {
  const payload = udp(53, 4000);
  return ethernet(
    mac,
    LAN.mac,
    ETHERTYPE.ipv4,
    ipv4({ from: LAN.ipv4, to: ip, protocol: 17, payload }),
  );
}

function lanArp(operation: 1 | 2, sender: string, target: string, to: string): Buffer {
  return ethernet(
    to,
    LAN.mac,
    ETHERTYPE.arp,
    arp({ operation, sender: { mac: LAN.mac, ip: sender }, target: { mac: VM.mac, ip: target } }),
  );
}
