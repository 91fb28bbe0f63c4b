import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { ALLOCATION, type Extent, NbdClient, ZERO } from '../../../src/nbd/client.ts';
import { type FakeNbd, serveNbd } from '../../support/fake-nbd.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const SIZE = 1_048_576;

async function connect(t: TestContext, fake: Partial<FakeNbd> = {}): Promise<NbdClient> {
  const socket = path.join(temporaryDirectory(t), 's');
  const close = await serveNbd(socket, { disk: Buffer.alloc(SIZE), extents: [[SIZE, 3]], ...fake });
  t.after(close);
  const signal = AbortSignal.timeout(20_000);
  const client = await NbdClient.connect(socket, { name: 'disk', contexts: [ALLOCATION], signal });
  t.after(() => client.close());
  return client;
}

test('a disk is read, written, zeroed and flushed', async (t) => {
  const disk = randomBytes(SIZE);
  const before = Buffer.from(disk);
  const client = await connect(t, { disk });
  assert.equal(client.bytes, SIZE);
  assert.deepEqual(await client.read(4096, 70_000), before.subarray(4096, 74_096));
  await client.write(10, Buffer.from('hello'));
  assert.equal(disk.toString('latin1', 10, 15), 'hello');
  await client.writeZeroes(11, 3);
  assert.equal(disk.toString('latin1', 10, 15), 'h\0\0\0o');
  await client.flush();
});

test('extents cover the disk in order, however many answers it takes', async (t) => {
  const lists: [number, number][] = [
    [65_536, 0],
    [SIZE - 131_072, ZERO],
    [65_536, 0],
  ];
  const found: Extent[] = [];
  for await (const extent of (await connect(t, { extents: lists })).extents()) found.push(extent);
  assert.deepEqual(
    found.map(({ offset, length, flags }) => [offset, length, flags[ALLOCATION]]),
    [
      [0, 65_536, 0],
      [65_536, SIZE - 131_072, ZERO],
      [SIZE - 65_536, 65_536, 0],
    ],
  );
});

test('an error of the server names the place', async (t) => {
  const client = await connect(t, { fault: 'error' });
  await assert.rejects(client.read(512, 512), /cannot serve the disk at 512: error 28/);
});

test('what a server makes up is refused', async (t) => {
  for (const [fault, expected] of [
    ['other handle', /answered another request/],
    ['wrong magic', /broke the protocol/],
    ['too long', /too long/],
    ['other place', /something else/],
    ['left out', /left out a part/],
    ['closes', /closed the connection/],
  ] as const) {
    const client = await connect(t, { fault });
    await assert.rejects(client.read(0, 1024), expected, fault);
  }
  const nothing = await connect(t, { extents: [] });
  await assert.rejects(nothing.extents().next(), /did not describe the disk/);
});

test('what is no NBD server, or lacks a context, is refused', async (t) => {
  await assert.rejects(connect(t, { contexts: false }), /does not offer base:allocation/);
  const socket = path.join(temporaryDirectory(t), 's');
  const server = net.createServer((peer) => peer.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  const options = { name: 'disk', contexts: [], signal: AbortSignal.timeout(20_000) };
  await assert.rejects(NbdClient.connect(socket, options), /is no NBD server/);
  fs.rmSync(socket, { force: true });
  await assert.rejects(NbdClient.connect(socket, options), { code: 'ENOENT' });
});

test('attempts to connect that fail leave nothing with the signal', async () => {
  const { signal } = new AbortController();
  const options = { name: 'disk', contexts: [], signal };
  for (let attempt = 0; attempt < 12; attempt++)
    await assert.rejects(NbdClient.connect('/nonexistent/s', options), { code: 'ENOENT' });
  const none = (): true | undefined =>
    getEventListeners(signal, 'abort').length === 0 ? true : undefined;
  assert.ok(await poll(none, { deadlineMs: 10_000, everyMs: 5 }));
});

test('who waits for a server that says nothing is told why it is given up', async (t) => {
  const socket = path.join(temporaryDirectory(t), 's');
  const server = net.createServer(() => abort.abort(new Error('enough')));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  const abort = new AbortController();
  const options = { name: 'disk', contexts: [], signal: abort.signal };
  await assert.rejects(NbdClient.connect(socket, options), /^Error: enough$/);
  await assert.rejects(NbdClient.connect(socket, options), /^Error: enough$/);
});
