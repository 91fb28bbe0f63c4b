import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../../../src/errors.ts';
import { run } from '../../../src/host/exec.ts';

/** Loaded before the guest agent is started: what the agent's port needs, and nothing else. */
export const EARLY = ['virtio_pci', 'virtio_console'];

/** Loaded while the agent comes up. */
export const LATE = [
  ...['virtio_blk', 'isofs', 'ext4', 'virtio_net', 'button', 'evdev'],
  ...['virtio_balloon', 'virtio-rng', 'pvpanic-pci'],
];

/**
 * Copies modules and what they depend on into one flat directory.
 * @returns their names, in the order in which they can be loaded; built-in ones are left out.
 */
export async function copyModules(
  names: readonly string[],
  libModules: string,
  target: string,
): Promise<string[]> {
  const files = new Map<string, string>();
  for (const name of fs.readdirSync(libModules, { recursive: true }) as string[])
    if (/\.ko(\.xz)?$/.test(name)) files.set(plainName(name), path.join(libModules, name));
  const builtIn = new Set(
    fs.readFileSync(path.join(libModules, 'modules.builtin'), 'utf8').split('\n').map(plainName),
  );
  const order: string[] = [];

  async function add(name: string): Promise<void> {
    const plain = plainName(name);
    if (order.includes(plain) || builtIn.has(plain)) return;
    const file = files.get(plain);
    if (file === undefined)
      throw new ProvisionerError(`the tiny guest's kernel has no module ${plain}`);
    const copy = path.join(target, `${plain}.ko`);
    fs.copyFileSync(file, file.endsWith('.xz') ? `${copy}.xz` : copy);
    if (file.endsWith('.xz')) await run('xz', ['-d', `${copy}.xz`]);
    const content = fs.readFileSync(copy);
    fs.writeFileSync(copy, withoutSignature(content));
    for (const needed of dependencies(content)) await add(needed);
    order.push(plain);
  }
  for (const name of names) await add(name);
  return order;
}

/** kernel/drivers/char/hw_random/virtio-rng.ko.xz → virtio_rng */
function plainName(file: string): string {
  return path.basename(file.replace(/\.ko(\.xz)?$/, '')).replaceAll('-', '_');
}

function dependencies(module: Buffer): string[] {
  const info = /\0depends=([^\0]*)\0/.exec(module.toString('latin1'))?.[1] ?? '';
  return info.split(',').filter((name) => name !== '');
}

const MARKER = Buffer.from('~Module signature appended~\n');

/** Checking a signature costs an emulated CPU milliseconds per module, and Debian does not insist on it. */
function withoutSignature(module: Buffer): Buffer {
  const end = module.length - MARKER.length;
  if (!module.subarray(end).equals(MARKER)) return module;
  // struct module_signature: the length of the signature is its last field, big-endian.
  return module.subarray(0, end - 12 - module.readUInt32BE(end - 4));
}
