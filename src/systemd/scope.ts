import * as fs from 'node:fs';
import type { VmName } from '../types.ts';

/** All VMs share this slice, so that a host's administrator can weigh them against everything else. */
export const SLICE = 'blockhost-vm.slice';

export function scopeName(name: VmName): string {
  return `blockhost-vm-${name}.scope`;
}

/** Whether systemd is PID 1 (sd_booted(3)). */
export function isSystemdHost(): boolean {
  return fs.existsSync('/run/systemd/system');
}

/**
 * systemd-run(1) in scope mode joins a new scope and then executes the command in the same process: QEMU
 * is in its cgroup from its first instruction, and keeps the pid it was spawned with.
 */
export function scopePrefix(name: VmName): string[] {
  return [
    'systemd-run',
    '--quiet',
    '--scope',
    '--collect',
    `--unit=${scopeName(name)}`,
    `--slice=${SLICE}`,
    `--description=Virtual machine ${name}`,
    '--property=CPUAccounting=yes',
    '--property=MemoryAccounting=yes',
    '--property=IOAccounting=yes',
    '--property=TasksAccounting=yes',
    '--',
  ];
}
