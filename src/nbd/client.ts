import { ByteSocket } from './byte-socket.ts';
import { NbdError } from './errors.ts';
import { type Export, negotiate } from './handshake.ts';

/** A stretch of a disk with the flags that each metadata context gives it. */
export interface Extent {
  offset: number;
  length: number;
  flags: Record<string, number>;
}

/** What reads as zeroes, in `base:allocation`. */
export const ZERO = 2;
export const ALLOCATION = 'base:allocation';

const CMD = { read: 0, write: 1, disconnect: 2, flush: 3, writeZeroes: 6, blockStatus: 7 } as const;
const REQUEST = 0x25609513;
const SIMPLE_REPLY = 0x67446698;
const STRUCTURED_REPLY = 0x668e33ef;
const DONE = 1;
const REPLY = { none: 0, data: 1, hole: 2, blockStatus: 5 } as const;
const ERROR_BIT = 0x8000;
/** Longest read or write; servers take 32 MiB at the most. */
const MAX_TRANSFER = 32 * 1024 * 1024;
/** Lengths are 32 bits wide. */
const MAX_SPAN = 1024 * 1024 * 1024;

interface Chunk {
  type: number;
  body: Buffer;
}

/** One export of an NBD server, used by one request at a time. What the server says is not trusted. */
export class NbdClient {
  readonly bytes: number;
  readonly #socket: ByteSocket;
  readonly #contexts: ReadonlyMap<number, string>;
  #handle = 0n;

  private constructor(socket: ByteSocket, { bytes, contexts }: Export) {
    this.#socket = socket;
    this.bytes = bytes;
    this.#contexts = contexts;
  }

  /** @throws the system's error when nobody listens, NbdError when what listens refuses. */
  static async connect(
    path: string,
    options: { name: string; contexts: readonly string[]; signal: AbortSignal },
  ): Promise<NbdClient> {
    const socket = await ByteSocket.connect(path, options.signal);
    try {
      return new NbdClient(socket, await negotiate(socket, options.name, options.contexts));
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (length > MAX_TRANSFER) throw new NbdError(`a read of ${length} bytes is too long`);
    const whole = Buffer.alloc(length);
    let filled = 0;
    await this.#request(CMD.read, offset, length, undefined, ({ type, body }) => {
      const at = body.length >= 8 ? Number(body.readBigUInt64BE(0)) - offset : -1;
      const size =
        type === REPLY.hole && body.length === 12 ? body.readUInt32BE(8) : body.length - 8;
      if ((type !== REPLY.data && type !== REPLY.hole) || at < 0 || at + size > length)
        throw new NbdError('the NBD server answered a read with something else');
      if (type === REPLY.data) body.copy(whole, at, 8);
      filled += size;
    });
    if (filled !== length) throw new NbdError('the NBD server left out a part of the disk');
    return whole;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#request(CMD.write, offset, bytes.length, bytes);
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    for (let at = 0; at < length; at += MAX_SPAN)
      await this.#request(CMD.writeZeroes, offset + at, Math.min(MAX_SPAN, length - at));
  }

  async flush(): Promise<void> {
    await this.#request(CMD.flush, 0, 0);
  }

  /** The whole disk in order, in stretches of equal flags. */
  async *extents(): AsyncGenerator<Extent> {
    for (let offset = 0; offset < this.bytes; ) {
      const length = Math.min(MAX_SPAN, this.bytes - offset);
      for (const extent of await this.#status(offset, length)) {
        yield extent;
        offset = extent.offset + extent.length;
      }
    }
  }

  /** Ends the connection; a server for one client ends with it. */
  close(): void {
    this.#socket.end(this.#head(CMD.disconnect, 0, 0));
  }

  async #status(offset: number, length: number): Promise<Extent[]> {
    const lists = new Map<string, [length: number, flags: number][]>();
    await this.#request(CMD.blockStatus, offset, length, undefined, ({ type, body }) => {
      const name = body.length >= 4 ? this.#contexts.get(body.readUInt32BE(0)) : undefined;
      if (type !== REPLY.blockStatus || name === undefined)
        throw new NbdError('the NBD server answered a question for extents with something else');
      const list: [number, number][] = [];
      for (let at = 4; at + 8 <= body.length; at += 8)
        list.push([body.readUInt32BE(at), body.readUInt32BE(at + 4)]);
      lists.set(name, list);
    });
    return merge(offset, length, lists, this.#contexts.size);
  }

  async #request(
    command: number,
    offset: number,
    length: number,
    payload?: Uint8Array,
    onChunk?: (chunk: Chunk) => void,
  ): Promise<void> {
    const head = this.#head(command, offset, length);
    await this.#socket.send(head, ...(payload === undefined ? [] : [payload]));
    for (;;) {
      const { done, chunk } = await this.#reply(offset, length);
      if (chunk.type !== REPLY.none) {
        if (onChunk === undefined) throw new NbdError('the NBD server sent data nobody asked for');
        onChunk(chunk);
      }
      if (done) return;
    }
  }

  async #reply(offset: number, length: number): Promise<{ done: boolean; chunk: Chunk }> {
    const magic = (await this.#socket.take(4)).readUInt32BE(0);
    if (magic === SIMPLE_REPLY) {
      const rest = await this.#socket.take(12);
      this.#assertHandle(rest.readBigUInt64BE(4));
      const error = rest.readUInt32BE(0);
      if (error !== 0) throw failed(offset, error, '');
      return { done: true, chunk: { type: REPLY.none, body: Buffer.alloc(0) } };
    }
    if (magic !== STRUCTURED_REPLY) throw new NbdError('the NBD server broke the protocol');
    const rest = await this.#socket.take(16);
    this.#assertHandle(rest.readBigUInt64BE(4));
    const [flags, type, size] = [rest.readUInt16BE(0), rest.readUInt16BE(2), rest.readUInt32BE(12)];
    if (size > Math.max(MAX_TRANSFER, length) + 64 * 1024)
      throw new NbdError('the NBD server announced an answer that is too long');
    const body = await this.#socket.take(size);
    if ((type & ERROR_BIT) !== 0) {
      const error = body.length >= 4 ? body.readUInt32BE(0) : 0;
      const said = body.length >= 6 ? body.toString('utf8', 6, 6 + body.readUInt16BE(4)) : '';
      throw failed(offset, error, said);
    }
    return { done: (flags & DONE) !== 0, chunk: { type, body } };
  }

  #head(command: number, offset: number, length: number): Buffer {
    const head = Buffer.alloc(28);
    head.writeUInt32BE(REQUEST, 0);
    head.writeUInt16BE(command, 6);
    head.writeBigUInt64BE(++this.#handle, 8);
    head.writeBigUInt64BE(BigInt(offset), 16);
    head.writeUInt32BE(length, 24);
    return head;
  }

  #assertHandle(handle: bigint): void {
    if (handle !== this.#handle) throw new NbdError('the NBD server answered another request');
  }
}

function failed(offset: number, error: number, said: string): NbdError {
  const words = said === '' ? `error ${error}` : said;
  return new NbdError(`the NBD server cannot serve the disk at ${offset}: ${words}`);
}

/** Contexts divide the disk differently: the result is divided wherever one of them is. */
function merge(
  offset: number,
  length: number,
  lists: ReadonlyMap<string, readonly [number, number][]>,
  wanted: number,
): Extent[] {
  if (lists.size !== wanted || wanted === 0)
    throw new NbdError('the NBD server did not describe the disk');
  const ends = [...lists.values()].map((list) => list.reduce((sum, [size]) => sum + size, 0));
  const covered = Math.min(length, ...ends);
  if (covered <= 0) throw new NbdError('the NBD server did not describe the disk');
  const cuts = new Set<number>([covered]);
  for (const list of lists.values()) {
    let at = 0;
    for (const [size] of list) {
      at += size;
      if (at < covered) cuts.add(at);
    }
  }
  let from = 0;
  return [...cuts]
    .sort((a, b) => a - b)
    .map((to) => {
      const flags: Record<string, number> = {};
      for (const [name, list] of lists) flags[name] = flagsAt(list, from);
      const extent = { offset: offset + from, length: to - from, flags };
      from = to;
      return extent;
    });
}

function flagsAt(list: readonly [number, number][], at: number): number {
  let end = 0;
  for (const [size, flags] of list) {
    end += size;
    if (end > at) return flags;
  }
  return 0;
}
