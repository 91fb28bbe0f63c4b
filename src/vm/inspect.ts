import * as fs from 'node:fs';
import { messageOf } from '../errors.ts';
import { isLockHeld } from '../host/lock-held.ts';
import { allConfigs } from '../store/all-configs.ts';
import { type Forward, readVmConfig, type Segment, type VmConfig } from '../store/vm-config.ts';
import { isVmName, type VmName } from '../types.ts';
import type { ReadHost } from './host.ts';
import { readJournal } from './journal.ts';
import { type Observation, observe, reasonOf } from './observe.ts';

/**
 * `absent`: there is nothing of that name. `preparing`: a create or a destroy is under way. `unknown`:
 * QEMU does not answer, a file is damaged, or a command died half-way; `reason` says which, and why a guest is
 * paused when nobody asked for that.
 */
export type InspectState = 'absent' | 'off' | 'running' | 'paused' | 'preparing' | 'unknown';

/** A VM for programs. Fields that cannot be told are null. */
export interface Inspection {
  name: string;
  state: InspectState;
  reason: string | null;
  /** The verb that died and left something behind, which the next verb cleans up. */
  interrupted: string | null;
  qemu_status: string | null;
  accel: string | null;
  started_at: string | null;
  created_at: string | null;
  vmid: number | null;
  vcpus: number | null;
  memory_mb: number | null;
  disk_bytes: number | null;
  /** Bytes the disk takes on the host. */
  disk_used_bytes: number | null;
  extra_disks: number[];
  template: string | null;
  username: string | null;
  mac: string | null;
  network: VmConfig['network'] | null;
  addresses: string[];
  ssh: { host: string; port: number } | null;
  forwards: Forward[];
  segments: Segment[];
}

/** What is known of one VM. Never throws: what cannot be told is part of the answer. */
export async function inspectVm(host: ReadHost, name: VmName): Promise<Inspection> {
  const blank = nothing(name);
  let config: VmConfig | undefined;
  try {
    const files = host.paths.vm(name);
    const there = fs.existsSync(files.directory);
    const working = await isLockHeld(host.paths.lock(name));
    const verb = readJournal(host, name)?.verb;
    if (verb === 'create' || verb === 'destroy') {
      if (working) return { ...blank, ...described(host, name), state: 'preparing' };
      const reason = `an earlier ${verb} was interrupted`;
      return { ...blank, ...described(host, name), state: 'unknown', reason, interrupted: verb };
    }
    const record = await host.store.get(name);
    if (!there && record === undefined)
      return { ...blank, state: working ? 'preparing' : 'absent' };
    config = readVmConfig(name, files);
    const seen = await observe(host, name);
    return {
      ...blank,
      ...described(host, name),
      ...stateOf(seen),
      interrupted: verb !== undefined && !working ? verb : null,
      ...addressing(config, record?.ip_address ?? ''),
    };
  } catch (error) {
    return { ...blank, state: 'unknown', reason: messageOf(error) };
  }
}

/** All VMs of which there is anything, by name. */
export async function inspectAll(host: ReadHost): Promise<Inspection[]> {
  const names = new Set<string>((await host.store.list()).map((record) => record.vm_name));
  for (const { name } of allConfigs(host.paths)) names.add(name);
  if (fs.existsSync(host.paths.journals)) {
    for (const file of fs.readdirSync(host.paths.journals)) names.add(file.replace(/\.json$/, ''));
  }
  return await Promise.all(
    [...names]
      .filter(isVmName)
      .sort()
      .map((name) => inspectVm(host, name)),
  );
}

function stateOf(seen: Observation): Partial<Inspection> {
  const { state, qemuStatus, incarnation } = seen;
  return {
    state: state === 'stopped' ? 'off' : state,
    reason: reasonOf(seen) ?? null,
    qemu_status: qemuStatus ?? null,
    accel: incarnation?.accel ?? null,
    started_at: incarnation?.started_at ?? null,
  };
}

/** What stands in vm.json, as far as it is there: a VM in the making may have none yet. */
function described(host: ReadHost, name: VmName): Partial<Inspection> {
  const files = host.paths.vm(name);
  if (!fs.existsSync(files.config)) return {};
  const config = readVmConfig(name, files);
  return {
    created_at: config.created_at,
    vmid: config.vmid,
    vcpus: config.vcpus,
    memory_mb: config.memory_mb,
    disk_bytes: config.disk_bytes,
    disk_used_bytes: allocated(files.disk),
    extra_disks: config.extra_disks ?? [],
    template: config.template,
    username: config.username,
    mac: config.mac,
    network: config.network,
    forwards: config.forwards ?? [],
    segments: config.segments ?? [],
  };
}

function addressing(config: VmConfig, ip: string): Partial<Inspection> {
  const addresses = [ip, ...(config.segments ?? []).map(({ address }) => address)];
  const ssh =
    config.network.mode === 'user'
      ? { host: '127.0.0.1', port: config.network.ssh_port }
      : ip === ''
        ? null
        : { host: ip, port: 22 };
  return { addresses: addresses.filter((address) => address !== ''), ssh };
}

function allocated(file: string): number | null {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? null : stat.blocks * 512;
}

function nothing(name: string): Inspection {
  return {
    name,
    state: 'absent',
    reason: null,
    interrupted: null,
    qemu_status: null,
    accel: null,
    started_at: null,
    created_at: null,
    vmid: null,
    vcpus: null,
    memory_mb: null,
    disk_bytes: null,
    disk_used_bytes: null,
    extra_disks: [],
    template: null,
    username: null,
    mac: null,
    network: null,
    addresses: [],
    ssh: null,
    forwards: [],
    segments: [],
  };
}
