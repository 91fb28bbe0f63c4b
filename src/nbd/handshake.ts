import type { ByteSocket } from './byte-socket.ts';
import { NbdError } from './errors.ts';

/** What the server has agreed to. */
export interface Export {
  bytes: number;
  /** Numbers by which it refers to metadata contexts, with their names. */
  contexts: Map<number, string>;
}

const NBDMAGIC = 0x4e42444d41474943n;
const IHAVEOPT = 0x49484156454f5054n;
const OPTION_REPLY = 0x3e889045565a9n;
const FIXED_NEWSTYLE = 1;
const NO_ZEROES = 2;
const OPT = { go: 7, structured: 8, setContext: 10 } as const;
const REP = { ack: 1, info: 3, context: 4 } as const;
const INFO_EXPORT = 0;
const MAX_REPLY = 64 * 1024;

/** Fixed newstyle negotiation (doc/proto.md of the NBD project) up to the transmission phase. */
export async function negotiate(
  socket: ByteSocket,
  name: string,
  contexts: readonly string[],
): Promise<Export> {
  const greeting = await socket.take(18);
  if (greeting.readBigUInt64BE(0) !== NBDMAGIC || greeting.readBigUInt64BE(8) !== IHAVEOPT)
    throw new NbdError('what listens there is no NBD server');
  const flags = FIXED_NEWSTYLE | NO_ZEROES;
  if ((greeting.readUInt16BE(16) & flags) !== flags)
    throw new NbdError('the NBD server is too old: it does not speak fixed newstyle');
  await socket.send(u32(flags));
  await option(socket, OPT.structured, Buffer.alloc(0), () => undefined);
  const found = new Map<number, string>();
  if (contexts.length > 0) {
    const query = [sized(name), u32(contexts.length), ...contexts.map(sized)];
    await option(socket, OPT.setContext, Buffer.concat(query), (type, data) => {
      if (type === REP.context && data.length >= 4)
        found.set(data.readUInt32BE(0), data.toString('utf8', 4));
    });
  }
  const missing = contexts.find((context) => ![...found.values()].includes(context));
  if (missing !== undefined) throw new NbdError(`the NBD server does not offer ${missing}`);
  let bytes: number | undefined;
  await option(socket, OPT.go, Buffer.concat([sized(name), Buffer.alloc(2)]), (type, data) => {
    if (type === REP.info && data.length >= 12 && data.readUInt16BE(0) === INFO_EXPORT)
      bytes = Number(data.readBigUInt64BE(2));
  });
  if (bytes === undefined) throw new NbdError(`the NBD server does not tell the size of ${name}`);
  return { bytes, contexts: found };
}

async function option(
  socket: ByteSocket,
  number: number,
  data: Buffer,
  onReply: (type: number, data: Buffer) => void,
): Promise<void> {
  const head = Buffer.alloc(16);
  head.writeBigUInt64BE(IHAVEOPT, 0);
  head.writeUInt32BE(number, 8);
  head.writeUInt32BE(data.length, 12);
  await socket.send(head, data);
  for (;;) {
    const reply = await socket.take(20);
    const length = reply.readUInt32BE(16);
    if (reply.readBigUInt64BE(0) !== OPTION_REPLY || length > MAX_REPLY)
      throw new NbdError('the NBD server broke the protocol');
    const type = reply.readUInt32BE(12);
    const body = await socket.take(length);
    if (type >= 2 ** 31) {
      const said = body.toString('utf8').trim();
      throw new NbdError(`the NBD server refuses option ${number}: ${said || `error ${type}`}`);
    }
    if (type === REP.ack) return;
    onReply(type, body);
  }
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([u32(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
