import * as z from 'zod/mini';
import { ProvisionerError } from '../errors.ts';
import { type RunOptions, run } from '../host/exec.ts';

/** A snapshot inside a qcow2 image. */
export interface ImageSnapshot {
  name: string;
  /** ISO 8601. */
  created_at: string;
}

/** The layers of a VM's disk, each named: what stands in an image's header is never followed. */
export interface DiskChain {
  file: string;
  /** Undefined: the disk stands alone. */
  backing?: string;
  /** argv that becomes whoever owns the disk: an image may be hostile, and qemu-img has no sandbox. */
  become: readonly string[];
}

const Info = z.object({
  snapshots: z.optional(
    z.array(z.object({ name: z.string(), 'date-sec': z.number(), 'date-nsec': z.number() })),
  ),
});

/** Also of a disk that a running QEMU has open. `qemu-img info` opens no backing file. */
export async function listSnapshots(chain: DiskChain): Promise<ImageSnapshot[]> {
  const { stdout } = await qemuImg(chain, [
    'info',
    '--output=json',
    '-U',
    '-f',
    'qcow2',
    chain.file,
  ]);
  const { snapshots = [] } = z.parse(Info, JSON.parse(stdout));
  return snapshots.map((snapshot) => ({
    name: snapshot.name,
    created_at: new Date(
      snapshot['date-sec'] * 1000 + Math.floor(snapshot['date-nsec'] / 1e6),
    ).toISOString(),
  }));
}

/** To change what a disk of some TB keeps on a slow host: each cluster's references are counted anew. */
export const CHANGE_MS = 10 * 60_000;

/** On a disk that nothing has open. */
export async function changeSnapshots(
  chain: DiskChain,
  action: 'create' | 'restore' | 'delete',
  name: string,
): Promise<void> {
  const option = { create: '-c', restore: '-a', delete: '-d' }[action];
  // Not ended by a signal half-way: it only moves references to clusters, and is over soon.
  await qemuImg(chain, ['snapshot', '-q', option, name, imageName(chain)], {
    timeoutMs: CHANGE_MS,
  });
}

/** A stand-alone compressed copy of the disk as it is now. `to` must be writable for whoever owns the disk. */
export async function flatten(
  chain: DiskChain,
  to: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await qemuImg(chain, ['convert', '-q', '-c', '-O', 'qcow2', imageName(chain), to], {
    signal,
    timeoutMs: 0,
  });
}

export async function qemuImg(
  { become }: DiskChain,
  args: readonly string[],
  options: Pick<RunOptions, 'signal' | 'timeoutMs' | 'okCodes'> = {},
): Promise<{ stdout: string }> {
  const [command = '', ...rest] = [...become, 'qemu-img', ...args];
  try {
    return await run(command, rest, { ...options, cwd: '/' });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new ProvisionerError('qemu-img cannot do that', {
      hint: lastWords(error),
      cause: error,
    });
  }
}

function lastWords(error: unknown): string {
  const text = error instanceof ProvisionerError ? (error.detail ?? '') : '';
  return text.trim().split('\n').at(-1) ?? '';
}

/** The image with its layers in the form that QEMU's tools take for a file's name. */
export function imageName({ file, backing }: DiskChain): string {
  const layer = (filename: string) => ({
    driver: 'qcow2',
    file: { driver: 'file', filename },
  });
  const below = backing === undefined ? null : { ...layer(backing), 'read-only': true };
  return `json:${JSON.stringify({ ...layer(file), backing: below })}`;
}
