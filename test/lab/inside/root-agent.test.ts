import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import { after, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import {
  callRootAgent as call,
  exchange,
  frame,
  ROOT_AGENT_SOCKET,
} from '../../support/root-agent/client.ts';

const sh = async (script: string): Promise<string> =>
  (await run('sh', ['-euc', script])).stdout.trim();

const ACTIONS = '/usr/share/blockhost/root-agent-actions';

/** More actions, of files in this order. */
async function withActions(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(`${ACTIONS}/${name}`, text);
  await sh('systemctl restart blockhost-root-agent');
}

after(() => sh(`rm ${ACTIONS}/test-*`));

test('its socket is open to root and to group blockhost', async () => {
  assert.equal(await sh(`stat -c '%A %U %G' ${ROOT_AGENT_SOCKET}`), 'srw-rw---- root blockhost');
  const connect = `socat -u OPEN:/dev/null UNIX-CONNECT:${ROOT_AGENT_SOCKET}`;
  await sh(`setpriv --reuid blockhost --regid blockhost --clear-groups ${connect}`);
  await assert.rejects(sh(`setpriv --reuid 65600 --regid 65600 --clear-groups ${connect} 2>&1`));
});

test('its own actions work and refuse what they should not touch', async () => {
  await sh('ip tuntap add tap3i0 mode tap; ip link set tap3i0 master br0');
  assert.deepEqual(await call('bridge-port-isolate', { dev: 'tap3i0' }), { ok: true });
  assert.match(await sh('bridge -d link show dev tap3i0'), /isolated on/);
  await sh('ip link delete tap3i0');
  const route = { address: '2001:db8:b10c::77/128', dev: 'br0' };
  assert.deepEqual(await call('ip6-route-add', route), { ok: true });
  assert.match(await sh('ip -6 route show 2001:db8:b10c::77'), /dev br0/);
  assert.deepEqual(await call('ip6-route-del', route), { ok: true });
  assert.equal(await sh('ip -6 route show 2001:db8:b10c::77'), '');
  for (const dev of ['eth0', 'tap1i0\n', '', 'br0;id', 7, null])
    assert.match((await call('bridge-port-isolate', { dev })).error ?? '', /device not allowed/);
  const wide = await call('ip6-route-add', { address: '2001:db8::/64', dev: 'br0' });
  assert.match(wide.error ?? '', /not a \/128/);
});

test('what is no request gets an answer that says so, and the next client is served', async () => {
  const cases: [Buffer, RegExp][] = [
    [frame('{'), /./],
    [frame('[]'), /a request is an object/],
    [frame(Buffer.from([0xff, 0xfe])), /./],
    [frame('{"action": 7}'), /unknown action: 7/],
    [frame('{"action": "__init__"}'), /unknown action/],
    [frame('{"action": "bridge-port-isolate", "params": []}'), /params is an object/],
  ];
  for (const [bytes, error] of cases) {
    const reply = await exchange(bytes);
    assert.equal(reply?.ok, false);
    assert.match(reply.error ?? '', error);
  }
  assert.equal((await call('ip6-route-del', {})).ok, false);
});

test('a request over 10 MiB is refused before it is sent, one of 10 MiB is read', async () => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(10 * 1024 * 1024 + 1);
  assert.match((await exchange(length))?.error ?? '', /10485761 bytes/);
  const padding = ' '.repeat(10 * 1024 * 1024 - 20);
  assert.match((await exchange(frame(`{"action": "none"}${padding}  `)))?.error ?? '', /unknown/);
});

test('a client that sends half a request holds nobody up, and is told after 10 s', async () => {
  const began = performance.now();
  const half = exchange(frame('{"action": "x"}').subarray(0, 9));
  assert.match((await call('none')).error ?? '', /unknown action/);
  assert.ok(performance.now() - began < 8000, 'the other waited');
  assert.match((await half)?.error ?? '', /did not arrive in time/);
  assert.ok(performance.now() - began > 9500, 'it was told too early');
});

test('a client that goes away in the middle, or does not read, does no harm', async () => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(3), frame('{"action": "none"}')]) {
    await new Promise<void>((resolve) => {
      const socket = net.connect(ROOT_AGENT_SOCKET, () => {
        socket.end(bytes);
        socket.destroy();
        resolve();
      });
    });
  }
  assert.equal((await call('none')).ok, false);
});

test('actions are read from files in order: the first wins, a broken one is left out', async () => {
  await withActions({
    'test-a.py':
      'from _common import STATE_DIR\nACTIONS = {"who": lambda p: {"file": "a", "dir": str(STATE_DIR), **p}}',
    'test-b.py': 'ACTIONS = {"who": lambda p: {"file": "b"}, "only-b": lambda p: {"file": "b"}}',
    'test-c.py': 'import nowhere\nACTIONS = {"only-c": lambda p: {}}',
    'test-d.py': 'def fail(p):\n  raise KeyError("no such thing")\nACTIONS = {"fail": fail}',
    'test-e.py':
      'import pathlib, time\ndef slow(p):\n  pathlib.Path("/run/blockhost/slow").touch()\n  time.sleep(2)\n  return {}\nACTIONS = {"slow": slow}',
  });
  const who = await call('who', { more: [1] });
  assert.deepEqual(who, { ok: true, file: 'a', dir: '/var/lib/blockhost', more: [1] });
  assert.deepEqual(await call('only-b'), { ok: true, file: 'b' });
  assert.match((await call('only-c')).error ?? '', /unknown action/);
  assert.deepEqual(await call('fail'), { ok: false, error: "'no such thing'" });
});

test('one slow action makes every other client wait', async () => {
  const slow = call('slow');
  const begun = (): true | undefined => fs.existsSync('/run/blockhost/slow') || undefined;
  assert.ok(await poll(begun, { deadlineMs: 60_000, everyMs: 20 }), 'it does not begin');
  const began = performance.now();
  assert.equal((await call('who')).ok, true);
  const waited = performance.now() - began;
  // The action takes 2 s from then on.
  assert.ok(waited > 1000, `answered after ${waited} ms`);
  assert.equal((await slow).ok, true);
});

test('a restart wipes its folder, and the engine gives it to the group again', async () => {
  fs.writeFileSync('/run/blockhost/file', '');
  const before = fs.statSync('/run/blockhost').ino;
  await sh('systemctl restart blockhost-root-agent');
  await sh('systemctl start blockhost-monitor');
  assert.notEqual(fs.statSync('/run/blockhost').ino, before);
  assert.equal(await sh("stat -c '%a %U %G' /run/blockhost"), '2775 root blockhost');
  assert.deepEqual(fs.readdirSync('/run/blockhost'), ['root-agent.sock']);
});
