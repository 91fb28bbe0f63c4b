import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../host/exec.ts';
import { readFileIfExists } from '../host/files.ts';
import { poll } from '../host/time.ts';
import { isVmName, type VmName } from '../types.ts';

/** All VMs share this slice, so that a host's administrator can weigh them against everything else. */
export const SLICE = 'blockhost-vm.slice';

/** Starts VMs at boot and powers them off at shutdown (systemd/blockhost-qemu-vms.service). */
const FLEET_UNIT = 'blockhost-qemu-vms.service';

/** The manager keeps a file here as long as it knows a unit made at run time (systemd.unit(5)). */
const TRANSIENT_UNITS = '/run/systemd/transient';

export function scopeName(name: VmName): string {
  return `blockhost-vm-${name}.scope`;
}

/** Whether systemd is PID 1 (sd_booted(3)). */
export function isSystemdHost(): boolean {
  return fs.existsSync('/run/systemd/system');
}

/** What a healthy QEMU never reaches, and one that runs away does. */
export interface ScopeBounds {
  memoryBytes: number;
  tasks: number;
}

/**
 * systemd-run(1) in scope mode joins a new scope and then executes the command in the same process: QEMU
 * is in its cgroup from its first instruction, and keeps the pid it was spawned with. With --collect the
 * manager forgets the scope when its last process has ended, in whatever way.
 * @param directory the VM's own, which tells it from one of the same name in another state directory.
 */
export function scopePrefix(name: VmName, bounds: ScopeBounds, directory: string): string[] {
  return [
    'systemd-run',
    '--quiet',
    '--scope',
    '--collect',
    `--unit=${scopeName(name)}`,
    `--slice=${SLICE}`,
    `--description=${description(name, directory)}`,
    '--property=CPUAccounting=yes',
    '--property=MemoryAccounting=yes',
    '--property=IOAccounting=yes',
    '--property=TasksAccounting=yes',
    `--property=MemoryMax=${bounds.memoryBytes}`,
    `--property=TasksMax=${bounds.tasks}`,
    // At shutdown that unit powers the guests off, before their scopes go.
    `--property=Before=${FLEET_UNIT}`,
    '--',
  ];
}

export interface ScopeGoneOptions {
  deadlineMs: number;
  signal?: AbortSignal | undefined;
  /** Only tests say otherwise. */
  units?: string;
}

/**
 * Resolves true as soon as the manager has forgotten the VM's scope, so that there can be a new one, and
 * false at the deadline. That is a moment after its last process has ended.
 */
export async function scopeGone(name: VmName, options: ScopeGoneOptions): Promise<boolean> {
  const unit = path.join(options.units ?? TRANSIENT_UNITS, scopeName(name));
  const probe = (): true | undefined => (fs.existsSync(unit) ? undefined : true);
  return (await poll(probe, { ...options, everyMs: 10 })) === true;
}

/**
 * Whether a VM of the same name in another state directory has the scope. Only root can say so: the description stands
 * in a file of the manager's. A scope of an earlier version, or of nobody, is no stranger.
 */
export function isStrangersScope(
  name: VmName,
  directory: string,
  units = TRANSIENT_UNITS,
): boolean {
  const text = readFileIfExists(path.join(units, scopeName(name))) ?? '';
  const written = /^Description=(.*)$/m.exec(text)?.[1]?.replaceAll('%%', '%');
  return written?.includes(' (') === true && written !== description(name, directory);
}

/** The VMs of this host of which the manager knows a scope, whosever they are. */
export function scopedNames(units = TRANSIENT_UNITS): VmName[] {
  if (!fs.existsSync(units)) return [];
  return fs
    .readdirSync(units)
    .map((unit) => /^blockhost-vm-(.+)\.scope$/.exec(unit)?.[1])
    .filter(isVmName)
    .sort();
}

function description(name: VmName, directory: string): string {
  return `Virtual machine ${name} (${directory})`;
}

export interface ClearOptions {
  /** Only tests say otherwise. */
  units?: string;
  kill?: (name: VmName) => Promise<void>;
  killedMs?: number;
}

/** For the loggers, which end with QEMU's pipes; then for the manager to forget a scope whose processes were killed. */
const CLEAR_MS = 400;
const KILLED_MS = 10_000;

/**
 * Waits until a VM's scope is gone whose QEMU has ended, and kills what is still in it. One that a VM of the same name
 * in another state directory has stays as it is. @returns false when the scope survives.
 */
export async function clearScope(
  name: VmName,
  directory: string,
  { units, kill = killScope, killedMs = KILLED_MS }: ClearOptions = {},
): Promise<boolean> {
  const gone = (deadlineMs: number): Promise<boolean> =>
    scopeGone(name, { deadlineMs, ...(units === undefined ? {} : { units }) });
  if (isStrangersScope(name, directory, units) || (await gone(CLEAR_MS))) return true;
  // The loggers end with QEMU's pipes: what is still there has no business to be.
  if (isStrangersScope(name, directory, units)) return true;
  await kill(name);
  return (await gone(killedMs)) || isStrangersScope(name, directory, units);
}

/** Ends whatever is left in a VM's scope, such as what a guest that broke out has started there. */
async function killScope(name: VmName): Promise<void> {
  const unit = scopeName(name);
  await run('systemctl', ['kill', '--kill-whom=all', '--signal=KILL', '--', unit], {
    okCodes: [0, 1, 5],
  });
}
