import { randomBytes, randomUUID } from 'node:crypto';

import type { Template } from '../image/template-store.ts';
import { tapName } from '../net/tap.ts';
import type { Allocation } from '../store/record.ts';
import type { VmConfig, VmNetwork } from '../store/vm-config.ts';

import { type CreateSpec, diskBytes } from './create-spec.ts';

import type { Host } from './host.ts';

import { USER_NET } from './seed-content.ts';

export function configOf(
  spec: CreateSpec,
  template: Template,
  { vmid }: Allocation,
  sshPort: number,
): VmConfig {
  return {
    version: 1,
    name: spec.name,
    vmid,
    uuid: randomUUID(),
    generation_id: randomUUID(),
    created_at: new Date().toISOString(),
    vcpus: spec.vcpus,
    memory_mb: spec.memoryMb,
    disk_bytes: diskBytes(spec, template.manifest.virtualSize),
    mac: randomMac(),
    network: networkOf(spec, vmid, sshPort),
    template: template.id,
    username: spec.username,
  };
}

function networkOf(spec: CreateSpec, vmid: number, sshPort: number): VmNetwork {
  if (spec.network === 'bridge' && spec.bridge !== undefined) {
    return { mode: 'bridge', bridge: spec.bridge, tap: tapName(vmid) };
  }
  return { mode: 'user', ssh_port: sshPort };
}

/** QEMU's customary prefix; the rest is random, so that two hosts on one network do not collide. */
function randomMac(): string {
  return ['52', '54', '00', ...(randomBytes(3).toString('hex').match(/../g) ?? [])].join(':');
}

export function poolOf(host: Host, spec: CreateSpec): Host['settings']['ip_pool'] {
  return spec.network === 'bridge' ? host.settings.ip_pool : undefined;
}

export function addressOf(spec: CreateSpec, allocation: Allocation): string {
  return spec.network === 'user' ? USER_NET.guest : allocation.ip;
}
