import assert from 'node:assert/strict';
import * as net from 'node:net';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { agentTransport } from '../../../src/root/agent.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

/** A root agent that answers every request with these bytes, piece by piece, and hangs up. */
async function agent(
  t: TestContext,
  ...pieces: Buffer[]
): Promise<{ path: string; seen: Buffer[] }> {
  const seen: Buffer[] = [];
  const server = net.createServer(async (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => seen.push(bytes));
    await new Promise((resolve) => socket.once('data', resolve));
    for (const piece of pieces) {
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    socket.end();
  });
  t.after(() => server.close());
  const socketPath = path.join(temporaryDirectory(t), 'agent.sock');
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return { path: socketPath, seen };
}

function frame(text: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([head, Buffer.from(text)]);
}

test('a request is framed as the root agent expects, and its reply may come in pieces', async (t) => {
  const bytes = frame('{"ok":true,"x":"é"}');
  const pieces = Array.from({ length: bytes.length }, (_, i) => bytes.subarray(i, i + 1));
  const { path: socketPath, seen } = await agent(t, ...pieces);
  const reply = await agentTransport(socketPath)('vm-start', { name: 'web1' });
  assert.deepEqual(reply, { ok: true, x: 'é' });
  const sent = Buffer.concat(seen);
  assert.equal(sent.readUInt32BE(0), sent.length - 4);
  assert.deepEqual(JSON.parse(sent.subarray(4).toString()), {
    action: 'qemu-vm-start',
    params: { name: 'web1' },
  });
});

test('whatever is wrong with the agent is told in one line', async (t) => {
  const far = Buffer.from([0xff, 0xff, 0xff, 0xff]);
  for (const [pieces, pattern] of [
    [[], /closed the connection without a reply/],
    [[Buffer.from([0, 0])], /closed the connection without a reply/],
    [[frame('{"ok":true}').subarray(0, 9)], /closed the connection without a reply/],
    [[far], /announced a reply of 4294967295 bytes/],
    [[frame('not json')], /answered with what is not JSON/],
  ] as const) {
    const { path: socketPath } = await agent(t, ...pieces);
    await assert.rejects(agentTransport(socketPath)('vm-start', {}), pattern);
  }
  await assert.rejects(agentTransport('/no/such/socket', 0)('vm-start', {}), /is not running/);
});

test('an agent that is being restarted is waited for', async (t) => {
  const socketPath = path.join(temporaryDirectory(t), 'agent.sock');
  const asked = agentTransport(socketPath)('vm-stop', { name: 'web1' });
  const server = net.createServer((socket) => {
    socket.once('data', () => socket.end(frame('{"ok":true}')));
  });
  t.after(() => server.close());
  setTimeout(() => server.listen(socketPath), 300);
  assert.deepEqual(await asked, { ok: true });
});
