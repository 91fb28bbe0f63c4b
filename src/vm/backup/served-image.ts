import * as fs from 'node:fs';
import * as path from 'node:path';
import { errnoOf, messageOf, ProvisionerError } from '../../errors.ts';
import { run } from '../../host/exec.ts';
import { ensureDirectory } from '../../host/files.ts';
import { removeTree } from '../../host/remove-tree.ts';
import { monotonicMs, sleep } from '../../host/time.ts';
import { imageName } from '../../image/snapshots.ts';
import { NbdClient } from '../../nbd/client.ts';
import type { VmName } from '../../types.ts';
import type { VmDisk } from '../disk-chains.ts';
import type { RootContext } from '../host.ts';
import { endImageServer, socketOption } from './end-image-server.ts';

export interface ServeOptions {
  /** Whether it may be written to. */
  writable: boolean;
  /** A bitmap of the image to be shown with it. */
  bitmap?: string | undefined;
  /** Metadata contexts to negotiate. */
  contexts: readonly string[];
}

const APPEAR_MS = 20_000;

type Source = Pick<VmDisk, 'node' | 'chain'>;

/**
 * Calls `work` with a disk that nothing has open, served by qemu-nbd as the user that owns it: nobody else looks
 * into an image that a guest may have broken. The server ends with its one client, and with this process.
 */
export function withServedImage<T>(
  context: RootContext,
  name: VmName,
  source: Source,
  options: ServeOptions,
  work: (client: NbdClient) => Promise<T>,
): Promise<T> {
  return withSockets(context, name, source, (directory) =>
    served(context, directory, source, options, work),
  );
}

/** Calls `work` with several disks of one VM at once, in their order. */
export function withServedImages<T>(
  context: RootContext,
  name: VmName,
  sources: readonly [Source, ...Source[]],
  options: ServeOptions,
  work: (clients: readonly NbdClient[]) => Promise<T>,
): Promise<T> {
  return withSockets(context, name, sources[0], (directory) => {
    const next = (clients: readonly NbdClient[]): Promise<T> => {
      const source = sources[clients.length];
      if (source === undefined) return work(clients);
      return served(context, directory, source, options, (client) => next([...clients, client]));
    };
    return next([]);
  });
}

/** Calls `work` with a directory for sockets that belongs to whoever owns the disk. */
async function withSockets<T>(
  context: RootContext,
  name: VmName,
  { chain }: Source,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = context.paths.imageServer(name);
  ensureDirectory(context.paths.run, 0o755);
  await endImageServer(context, name);
  const { uid, gid } = fs.statSync(chain.file);
  ensureDirectory(directory, 0o700, { uid, gid });
  try {
    return await work(directory);
  } catch (error) {
    context.signal.throwIfAborted();
    throw error;
  } finally {
    await removeTree(directory);
  }
}

async function served<T>(
  { signal }: RootContext,
  directory: string,
  { node, chain }: Source,
  { writable, bitmap, contexts }: ServeOptions,
  work: (client: NbdClient) => Promise<T>,
): Promise<T> {
  const socket = path.join(directory, node);
  const [command = '', ...become] = chain.become;
  const stop = new AbortController();
  const server = run(
    command,
    [
      ...become,
      '--pdeathsig=KILL',
      'qemu-nbd',
      socketOption(socket),
      `--export-name=${node}`,
      ...(writable ? ['--discard=unmap'] : ['--read-only']),
      ...(bitmap === undefined ? [] : [`--bitmap=${bitmap}`]),
      imageName(chain),
    ],
    { timeoutMs: 0, signal: stop.signal },
  );
  let ended: unknown;
  server.then(
    () => (ended = new Error('it ended')),
    (error: unknown) => (ended = error),
  );
  try {
    const client = await connect(socket, { name: node, contexts, signal }, () => ended);
    const result = await work(client);
    client.close();
    await server;
    return result;
  } finally {
    stop.abort();
    await server.catch(() => undefined);
  }
}

async function connect(
  socket: string,
  options: Parameters<typeof NbdClient.connect>[1],
  ended: () => unknown,
): Promise<NbdClient> {
  const end = monotonicMs() + APPEAR_MS;
  for (;;) {
    try {
      return await NbdClient.connect(socket, options);
    } catch (error) {
      const reason = ended();
      if (reason !== undefined) {
        throw new ProvisionerError(`the disk cannot be opened: ${messageOf(reason)}`, {
          cause: reason,
        });
      }
      const absent = ['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '');
      if (!absent || monotonicMs() > end) throw error;
    }
    await sleep(10, options.signal);
  }
}
