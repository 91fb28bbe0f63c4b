import * as z from 'zod/mini';
import { NotFoundError } from '../errors.ts';
import { writeFileAtomic } from '../host/files.ts';
import type { VmFiles } from '../host/paths.ts';
import { readValidated } from '../host/validate.ts';
import type { VmName } from '../types.ts';

const Uuid = z.string().check(z.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/));
const Interface = z.string().check(z.regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/));

/** Each mode carries just what it needs. */
export const VmNetwork = z.discriminatedUnion('mode', [
  z.strictObject({
    mode: z.literal('user'),
    /** Loopback port of the host that leads to the guest's port 22. */
    ssh_port: z.int().check(z.gte(1024), z.lte(65535)),
  }),
  z.strictObject({ mode: z.literal('bridge'), bridge: Interface, tap: Interface }),
]);
export type VmNetwork = z.infer<typeof VmNetwork>;

/**
 * vm.json: what a VM is made of. Written by `create`, read by every later start; nothing a guest or
 * QEMU can write. A new shape gets a new `version`.
 */
export const VmConfig = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  vmid: z.int(),
  uuid: Uuid,
  /** ACPI generation id (vmgenid): new for every disk that is a fork of another. */
  generation_id: Uuid,
  created_at: z.string(),
  vcpus: z.int().check(z.gte(1), z.lte(255)),
  memory_mb: z.int().check(z.gte(32)),
  disk_bytes: z.int().check(z.gte(1)),
  mac: z.string().check(z.regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/)),
  network: VmNetwork,
  template: z.string(),
  username: z.string(),
});
export type VmConfig = z.infer<typeof VmConfig>;

/** @throws NotFoundError without vm.json, ProvisionerError when it is damaged. */
export function readVmConfig(name: VmName, files: VmFiles): VmConfig {
  const config = readValidated(files.config, VmConfig);
  if (config === undefined) {
    throw new NotFoundError(`VM ${name} does not exist`, {
      hint: 'blockhost-qemu list shows those that do',
    });
  }
  return config;
}

export function writeVmConfig(files: VmFiles, config: VmConfig): void {
  writeFileAtomic(files.config, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o644 });
}
