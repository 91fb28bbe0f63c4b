import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { sleep } from '../../../src/host/time.ts';
import type { Guard } from '../../../src/net/guard/guard.ts';
import { Namespace } from '../../support/namespace.ts';
import { arp, BROADCAST, dhcp, ETHERTYPE, ethernet, ipv4, udp } from '../../support/net/frames.ts';
import { guardCalls } from '../../support/net/guard-calls.ts';
import type { GuardCall } from '../../support/net/guard-driver.ts';
import {
  LAN,
  makeSegment,
  marked,
  NEIGHBOUR,
  NEIGHBOUR_TAP,
  VM,
  VM_TAP,
} from '../../support/net/segment.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const namespace = await Namespace.make({ after }, '192.0.2.1/24');
const guard: Guard = { tap: VM_TAP, mac: VM.mac, ipv4: VM.ipv4, ipv6: VM.ipv6 };
const neighbour: Guard = { ...guard, tap: NEIGHBOUR_TAP, mac: NEIGHBOUR.mac };
const inForce = { ...guard, leased: [], rulesComplete: true };

const call = (...calls: GuardCall[]): Promise<unknown[]> => guardCalls(namespace, calls);
const nft = (...words: string[]): Promise<{ stdout: string }> =>
  run('ip', ['netns', 'exec', namespace.name, 'nft', ...words]);
const table = async (): Promise<string> =>
  (await nft('list', 'table', 'bridge', 'blockhost_qemu')).stdout;

test('installing twice is installing once', async () => {
  assert.deepEqual(await call({ install: guard }, { read: VM_TAP }), [null, inForce]);
  const once = await table();
  assert.deepEqual(await call({ install: guard }, { assert: guard }), [null, null]);
  assert.equal(await table(), once);
});

test('a new address takes the place of the old one', async () => {
  const moved = { ...guard, ipv4: '192.0.2.99', ipv6: '' };
  const results = await call({ install: moved }, { read: VM_TAP }, { assert: moved });
  assert.deepEqual(results, [null, { ...inForce, ...moved }, null]);
  await call({ install: guard });
});

test('rules stay the same in number, however many VMs there are', async () => {
  const before = (await table()).match(/ (drop|accept)$/gm)?.length;
  await call({ install: neighbour });
  assert.equal((await table()).match(/ (drop|accept)$/gm)?.length, before);
});

test('what somebody else took away is noticed, and put back', async () => {
  for (const loss of [
    'flush chain bridge blockhost_qemu from_vm_arp',
    `delete element bridge blockhost_qemu vm_tap { ${VM_TAP} }`,
    'flush ruleset',
  ]) {
    await nft(...loss.split(' '));
    const [noticed, , healed] = await call(
      { assert: guard },
      { install: guard },
      { assert: guard },
    );
    assert.match(JSON.stringify(noticed), /the network filter of tap100i0 is not in force/, loss);
    assert.equal(healed, null, loss);
  }
});

test('starts and ends at the same time do not disturb one another', async () => {
  const many = Array.from({ length: 6 }, (_, i) => ({
    ...{ tap: `tap${200 + i}i0`, mac: `52:54:00:00:02:0${i}` },
    ...{ ipv4: `198.51.100.${i + 1}`, ipv6: '' },
  }));
  await Promise.all(
    many.map((one) => call({ install: one }, { remove: one.tap }, { install: one })),
  );
  const results = await call(...many.map((one) => ({ assert: one })));
  assert.deepEqual(
    results,
    many.map(() => null),
  );
  await Promise.all(many.map(({ tap }) => call({ remove: tap })));
  assert.deepEqual(await call({ read: 'tap200i0' }), [null]);
});

test('pruning takes what is left of taps that are gone, and nothing else', async () => {
  await call({ install: guard }, { install: neighbour }, { install: { ...guard, tap: 'tap7i0' } });
  await namespace.ip(`tuntap add dev ${NEIGHBOUR_TAP} mode tap`);
  assert.deepEqual(await call({ prune: ['tap7i0'] }), [[VM_TAP]]);
  assert.deepEqual(await call({ read: VM_TAP }, { prune: [] }), [null, ['tap7i0']]);
  assert.notDeepEqual(await call({ read: NEIGHBOUR_TAP }), [null]);
  await namespace.ip(`link del dev ${NEIGHBOUR_TAP}`);
});

test('removing is no error when nothing is there', async () => {
  assert.deepEqual(await call({ remove: VM_TAP }, { remove: VM_TAP }), [null, null]);
  await nft('flush', 'ruleset');
  assert.deepEqual(await call({ remove: VM_TAP }, { prune: [] }, { read: VM_TAP }), [
    null,
    [],
    null,
  ]);
});

test('values that are none: nothing is installed', async () => {
  for (const wrong of [
    { tap: 'tap100i0" }; flush ruleset; #' },
    { tap: 'eth0' },
    { mac: '01:54:00:00:00:01' },
    { mac: '' },
    { ipv4: '0.0.0.0' },
    { ipv4: '192.0.2.0/24' },
    { ipv4: '224.0.0.1' },
    { ipv6: 'ff02::1' },
    { ipv6: '::' },
    { ipv6: 'fe80::1%br0' },
    { ipv6: NEIGHBOUR.linkLocal },
  ]) {
    const [result] = await call({ install: { ...guard, ...wrong } });
    assert.match(JSON.stringify(result), /is not a valid/, JSON.stringify(wrong));
  }
  assert.deepEqual(await call({ read: VM_TAP }), [null]);
});

test('a host without nft, and one whose kernel refuses: one line that says so', async (t) => {
  const bin = temporaryDirectory(t);
  const PATH = `${bin}:${path.dirname(process.execPath)}`;
  const prefix = namespace.prefix.map((word) => (word === 'ip' ? '/sbin/ip' : word));
  const failing = async (): Promise<unknown> =>
    (await guardCalls(namespace, [{ install: guard }], { prefix, env: { PATH } }))[0];
  assert.deepEqual(await failing(), {
    error: 'the network filter cannot be set: nft is not installed',
  });
  const refusal = 'Error: Could not process rule: Operation not supported';
  fs.writeFileSync(`${bin}/nft`, `#!/bin/sh\necho '${refusal}' >&2\nexit 1\n`, { mode: 0o755 });
  assert.deepEqual(await failing(), {
    error: `the network filter cannot be set: nft says: ${refusal.slice(7)}`,
  });
});

test('the IPv6 route: adding and removing twice is no error', async () => {
  const route: [string, string] = [VM.ipv6, 'br0'];
  assert.deepEqual(await call({ addRoute: route }, { addRoute: route }), [null, null]);
  assert.match(await namespace.ip('-6 route show'), /^fd00:1::10 dev br0 /m);
  assert.deepEqual(await call({ removeRoute: route }, { removeRoute: route }), [null, null]);
  assert.doesNotMatch(await namespace.ip('-6 route show'), /fd00:1::10/);
  assert.deepEqual(await call({ removeRoute: [VM.ipv6, 'br7'] }), [null]);
});

test('a VM that asks by DHCP may use what a server gave it, and nothing else', async (t) => {
  const segment = await makeSegment(
    { after: (hook) => t.after(hook) },
    {
      isolated: true,
      async before(inside) {
        const calls = [
          { install: { ...guard, ipv4: '' } },
          { install: { ...neighbour, ipv4: '' } },
        ];
        assert.deepEqual(await guardCalls(inside, calls), [null, null]);
      },
    },
  );
  const { vm, lan } = segment;
  const ask = marked(request('0.0.0.0', '255.255.255.255'));
  const arrives = async (frame: Buffer): Promise<boolean> => {
    const tried = marked(frame);
    vm.send(tried.frame);
    const honest = marked(ask.frame);
    vm.send(honest.frame);
    await lan.sees(honest.mark, 'a request');
    await sleep(200);
    return lan.has(tried.mark);
  };
  const answer = async (chaddr: string, yiaddr: string, to: string): Promise<void> => {
    const { frame, mark } = marked(
      ethernet(
        to,
        LAN.mac,
        ETHERTYPE.ipv4,
        ipv4({
          ...{ from: LAN.ipv4, to: yiaddr, protocol: 17 },
          payload: udp(67, 68, dhcp({ op: 2, type: 5, chaddr, yiaddr })),
        }),
      ),
    );
    lan.send(frame);
    await vm.sees(mark, 'an answer');
  };
  assert.equal(await arrives(packet('192.0.2.77')), false, 'before a lease');
  await answer(NEIGHBOUR.mac, '192.0.2.77', BROADCAST);
  assert.equal(await arrives(packet('192.0.2.77')), false, "another's lease");

  await answer(VM.mac, '192.0.2.77', VM.mac);
  assert.equal(await arrives(packet('192.0.2.77')), true);
  assert.equal(await arrives(announcement('192.0.2.77')), true);
  assert.equal(await arrives(packet('192.0.2.78')), false);
  assert.equal(await arrives(announcement('192.0.2.1')), false);
  const [read] = await guardCalls(segment.namespace, [{ read: VM_TAP }]);
  assert.deepEqual(read, { ...inForce, ipv4: '', leased: ['192.0.2.77'] });
  // A table that was reloaded has forgotten the lease; the guest can still renew it.
  await guardCalls(segment.namespace, [{ install: { ...guard, ipv4: '' } }]);
  assert.equal(await arrives(packet('192.0.2.77')), false, 'after a reload');
  assert.equal(await arrives(request('192.0.2.77', LAN.ipv4)), true);
});

function packet(from: string): Buffer {
  return ethernet(
    LAN.mac,
    VM.mac,
    ETHERTYPE.ipv4,
    ipv4({ from, to: LAN.ipv4, protocol: 17, payload: udp(4000, 53) }),
  );
}

function request(from: string, to: string): Buffer {
  return ethernet(
    BROADCAST,
    VM.mac,
    ETHERTYPE.ipv4,
    ipv4({
      ...{ from, to, protocol: 17 },
      payload: udp(68, 67, dhcp({ op: 1, type: 3, chaddr: VM.mac })),
    }),
  );
}

function announcement(ip: string): Buffer {
  const sender = { mac: VM.mac, ip };
  return ethernet(
    BROADCAST,
    VM.mac,
    ETHERTYPE.arp,
    arp({ operation: 1, sender, target: { mac: '00:00:00:00:00:00', ip } }),
  );
}
