import * as fs from 'node:fs';
import * as net from 'node:net';
import { errnoOf } from '../../errors.ts';
import { monotonicMs, sleep } from '../../host/time.ts';
import { QmpError } from '../errors.ts';
import { bounded, type Limits } from './bounded.ts';
import type { Peer } from './peer.ts';

/** Pause before trying again when the listener's queue is full. */
const RETRY_MS = 10;

/** Linux's, the same on every architecture Node runs on but sparc and alpha; Node has no name for it (open(2)). */
const O_PATH = 0o10000000;

/** A connected socket. Bytes that arrive before `listen` is called are lost, so call it in the same turn. */
export interface Stream {
  socket: net.Socket;
  /** The bytes are valid during the call only. */
  listen(onChunk: (chunk: Buffer) => void): void;
}

/**
 * All sockets read into this one: without it Node takes 64 KiB of memory for every read, however short, which
 * one that holds hundreds of connections pays for dearly.
 */
const incoming = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Connects to a Unix socket, never through a symbolic link: whoever may write to the socket's directory, as
 * QEMU's user may, cannot lead us to another socket. A path longer than sun_path holds is no obstacle.
 * @throws the peer's Gone when nobody listens, Timeout when the queue stays full, Protocol when it is no socket.
 */
export async function connectUnix(path: string, peer: Peer, limits: Limits): Promise<Stream> {
  const fd = openSocket(path, peer);
  try {
    for (;;) {
      try {
        return await connectOnce(fd, path, peer, limits);
      } catch (error) {
        // EAGAIN: two clients wait already, the third is turned away until one of them leaves.
        if (errnoOf(error) !== 'EAGAIN') throw translate(error, path, peer);
        if (monotonicMs() + RETRY_MS >= limits.end) throw busy(path, peer, limits, error);
        await sleep(RETRY_MS, limits.signal);
      }
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** The file itself, held by a descriptor: what is checked is then what is connected to. */
function openSocket(path: string, peer: Peer): number {
  let fd: number;
  try {
    // Synchronous: sockets are on tmpfs, where this costs less than a turn of the thread pool.
    fd = fs.openSync(path, O_PATH | fs.constants.O_NOFOLLOW);
  } catch (error) {
    throw translate(error, path, peer);
  }
  const stat = fs.fstatSync(fd);
  if (stat.isSocket()) return fd;
  fs.closeSync(fd);
  const found = stat.isSymbolicLink()
    ? 'a symbolic link'
    : stat.isDirectory()
      ? 'a directory'
      : 'something else';
  throw new peer.Protocol(`expected a socket at ${path}, found ${found}`, {});
}

function connectOnce(fd: number, path: string, peer: Peer, limits: Limits): Promise<Stream> {
  return bounded(
    limits,
    () => busy(path, peer, limits, undefined),
    ({ resolve, reject }) => {
      let listener: ((chunk: Buffer) => void) | undefined;
      const socket = net.createConnection({
        path: `/proc/self/fd/${fd}`,
        onread: {
          buffer: incoming,
          callback(length) {
            listener?.(incoming.subarray(0, length));
            return true;
          },
        },
      });
      let connected = false;
      socket.once('error', reject);
      socket.once('connect', () => {
        connected = true;
        resolve({
          socket,
          listen: (onChunk) => {
            listener = onChunk;
          },
        });
      });
      return () => {
        // An 'error' that nobody listens for would end the process.
        socket.on('error', ignore);
        socket.off('error', reject);
        if (!connected) socket.destroy();
      };
    },
  );
}

function ignore(): void {}

function busy(path: string, peer: Peer, limits: Limits, cause: unknown): QmpError {
  return new peer.Timeout(
    `${peer.name} at ${path} is busy or not answering (no connection within ${limits.deadlineMs} ms)`,
    { hint: peer.silenceHint, cause },
  );
}

function translate(cause: unknown, path: string, peer: Peer): unknown {
  switch (errnoOf(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new peer.Gone(`${peer.absence}: there is no socket ${path}`, { cause });
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'EPIPE':
      return new peer.Gone(`${peer.absence}: nobody listens on ${path}`, { cause });
    case 'EACCES':
    case 'EPERM':
      return new QmpError(`not permitted to connect to ${path}`, {
        hint: 'run this as root or as the user the VMs belong to',
        cause,
      });
    case undefined:
      return cause;
    default:
      return new QmpError(`cannot connect to ${path} (${errnoOf(cause)})`, { cause });
  }
}
