import * as net from 'node:net';

export interface FakeNbd {
  /** What it serves; written to as well. */
  disk: Buffer;
  /** Lengths and flags of the whole disk, in order. */
  extents: readonly (readonly [length: number, flags: number])[];
  /** False: it knows no metadata context. */
  contexts?: boolean;
  /** What is wrong with its answers to reads. */
  fault?:
    | 'error'
    | 'other handle'
    | 'wrong magic'
    | 'too long'
    | 'other place'
    | 'left out'
    | 'closes';
}

const CONTEXT = 7;

/** An NBD server for one export named anything. @returns how to end it. */
export async function serveNbd(socket: string, fake: FakeNbd): Promise<() => void> {
  const peers = new Set<net.Socket>();
  const server = net.createServer((peer) => {
    peers.add(peer);
    peer.on('error', () => undefined);
    void converse(peer, fake).catch(() => peer.destroy());
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return () => {
    server.close();
    for (const peer of peers) peer.destroy();
  };
}

async function converse(peer: net.Socket, fake: FakeNbd): Promise<void> {
  const take = reader(peer);
  peer.write(Buffer.concat([Buffer.from('NBDMAGICIHAVEOPT'), u16(3)]));
  await take(4);
  for (let agreed = false; !agreed; ) {
    const head = await take(16);
    const option = head.readUInt32BE(8);
    await take(head.readUInt32BE(12));
    const reply = (type: number, data = Buffer.alloc(0)): boolean =>
      peer.write(
        Buffer.concat([...[u64(0x3e889045565a9n), u32(option), u32(type), u32(data.length)], data]),
      );
    if (option === 10 && fake.contexts !== false)
      reply(4, Buffer.concat([u32(CONTEXT), Buffer.from('base:allocation')]));
    if (option === 7) reply(3, Buffer.concat([u16(0), u64(BigInt(fake.disk.length)), u16(0)]));
    reply(1);
    agreed = option === 7;
  }
  for (;;) await answer(peer, fake, take);
}

async function answer(
  peer: net.Socket,
  { disk, extents, fault }: FakeNbd,
  take: (length: number) => Promise<Buffer>,
): Promise<void> {
  const head = await take(28);
  const handle = head.readBigUInt64BE(8);
  const offset = Number(head.readBigUInt64BE(16));
  const length = head.readUInt32BE(24);
  const chunk = (type: number, data: Buffer, of = handle, magic = 0x668e33ef): boolean =>
    peer.write(Buffer.concat([u32(magic), u16(1), u16(type), u64(of), u32(data.length), data]));
  const done = (): boolean => chunk(0, Buffer.alloc(0));
  switch (head.readUInt16BE(6)) {
    case 0: {
      const at = fault === 'other place' ? offset + 1 : offset;
      const bytes = disk.subarray(offset, offset + (fault === 'left out' ? length / 2 : length));
      if (fault === 'closes') return void peer.destroy();
      if (fault === 'error') chunk(0x8001, Buffer.concat([u32(28), u16(0)]));
      else if (fault === 'too long')
        peer.write(Buffer.concat([u32(0x668e33ef), u16(1), u16(1), u64(handle), u32(2 ** 31)]));
      else
        chunk(
          1,
          Buffer.concat([u64(BigInt(at)), bytes]),
          fault === 'other handle' ? handle + 1n : handle,
          fault === 'wrong magic' ? 0 : undefined,
        );
      return;
    }
    case 1:
      (await take(length)).copy(disk, offset);
      return void done();
    case 2:
      return void peer.end();
    case 6:
      disk.fill(0, offset, offset + length);
      return void done();
    case 7:
      return void chunk(5, describe(extents, offset));
    default:
      return void done();
  }
}

/** One extent in each answer: a server may describe less than it was asked for. */
function describe(extents: FakeNbd['extents'], offset: number): Buffer {
  let begin = 0;
  for (const [length, flags] of extents) {
    if (offset < begin + length)
      return Buffer.concat([u32(CONTEXT), u32(begin + length - offset), u32(flags)]);
    begin += length;
  }
  return u32(CONTEXT);
}

function reader(peer: net.Socket): (length: number) => Promise<Buffer> {
  let have = Buffer.alloc(0);
  let wake = (): void => undefined;
  peer.on('data', (bytes: Buffer) => {
    have = Buffer.concat([have, bytes]);
    wake();
  });
  peer.on('close', () => wake());
  return async (length) => {
    while (have.length < length) {
      if (peer.destroyed) throw new Error('the client is gone');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const taken = have.subarray(0, length);
    have = have.subarray(length);
    return taken;
  };
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}
