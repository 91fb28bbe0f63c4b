import * as z from 'zod/mini';
import { NotFoundError } from '../errors.ts';
import { writeFileAtomic } from '../host/files.ts';
import type { VmFiles } from '../host/paths.ts';
import { readValidated } from '../host/validate.ts';
import type { VmName } from '../types.ts';
import { LimitTimes, VmLimits } from './vm-limits.ts';

const Uuid = z.string().check(z.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/));
const Mac = z.string().check(z.regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/));
const Interface = z.string().check(z.regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/));

/** What happens to a VM whose QEMU or kernel has crashed. */
export const RESTART_POLICIES = ['never', 'on-crash'] as const;
export const RestartPolicy = z.enum(RESTART_POLICIES);
export type RestartPolicy = z.infer<typeof RestartPolicy>;

/** Each mode carries just what it needs. */
export const VmNetwork = z.discriminatedUnion('mode', [
  z.strictObject({
    mode: z.literal('user'),
    /** Loopback port of the host that leads to the guest's port 22. */
    ssh_port: z.int().check(z.gte(1024), z.lte(65535)),
  }),
  z.strictObject({
    mode: z.literal('bridge'),
    bridge: Interface,
    tap: Interface,
    /** The VM's own addresses, empty when it has none or gets it by DHCP. */
    ipv4: z.union([z.literal(''), z.ipv4()]),
    ipv6: z.union([z.literal(''), z.ipv6()]),
  }),
]);
export type VmNetwork = z.infer<typeof VmNetwork>;

/** A port of the host that leads to one of the guest's, in user networking. */
export const Forward = z.strictObject({
  protocol: z.enum(['tcp', 'udp']),
  host_ip: z.string().check(z.regex(/^\d{1,3}(\.\d{1,3}){3}$/)),
  host_port: z.int().check(z.gte(1), z.lte(65535)),
  guest_port: z.int().check(z.gte(1), z.lte(65535)),
});
export type Forward = z.infer<typeof Forward>;

/** A second card, on a network of this host's VMs only: frames go by multicast on the loopback interface. */
export const Segment = z.strictObject({
  mac: Mac,
  address: z.ipv4(),
  prefix_length: z.int().check(z.gte(1), z.lte(30)),
  group: z.string().check(z.regex(/^239\.\d{1,3}\.\d{1,3}\.\d{1,3}$/)),
  port: z.int().check(z.gte(1024), z.lte(65535)),
});
export type Segment = z.infer<typeof Segment>;

/**
 * vm.json: what a VM is made of. Written by `create`, read by every later start and by whoever observes
 * the VM: it holds no secrets. Nothing a guest or QEMU can write. A new shape gets a new `version`.
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
  mac: Mac,
  network: VmNetwork,
  forwards: z.optional(z.array(Forward)),
  segments: z.optional(z.array(Segment)),
  /** Bytes of each further disk; their files are named by their place in the list. */
  extra_disks: z.optional(z.array(z.int().check(z.gte(1)))),
  template: z.string(),
  username: z.string(),
  /** The user and group QEMU runs as; absent when whoever started it is not root. */
  qemu_uid: z.optional(z.int().check(z.gte(1000))),
  /** Absent: never. */
  restart: z.optional(RestartPolicy),
  /** What `throttle` was asked for: in force while the VM runs, from its first instruction on. */
  limits: z.optional(VmLimits),
  limits_since: z.optional(LimitTimes),
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

/** Bytes of every disk, the system's first. */
export function diskSizes({ disk_bytes, extra_disks = [] }: VmConfig): number[] {
  return [disk_bytes, ...extra_disks];
}

export function writeVmConfig(files: VmFiles, config: VmConfig): void {
  writeFileAtomic(files.config, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o644 });
}
