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
import type { Host } from '../host.ts';
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

/**
 * Calls `work` with a disk that nothing has open, served by qemu-nbd as the user that owns it: nobody else looks into
 * an image that a guest may have broken. The server ends with its one client, and with this process.
 */
export async function withServedImage<T>(
  host: Host,
  name: VmName,
  { node, chain }: Pick<VmDisk, 'node' | 'chain'>,
  { writable, bitmap, contexts }: ServeOptions,
  work: (client: NbdClient) => Promise<T>,
): Promise<T> {
  const directory = host.paths.imageServer(name);
  const socket = path.join(directory, 's');
  ensureDirectory(host.paths.run, 0o755);
  await endImageServer(host, name);
  const { uid, gid } = fs.statSync(chain.file);
  ensureDirectory(directory, 0o700, { uid, gid });
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
    const options = { name: node, contexts, signal: host.signal };
    const client = await connect(socket, options, () => ended);
    const result = await work(client);
    client.close();
    await server;
    return result;
  } catch (error) {
    host.signal.throwIfAborted();
    throw error;
  } finally {
    stop.abort();
    await server.catch(() => undefined);
    await removeTree(directory);
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
