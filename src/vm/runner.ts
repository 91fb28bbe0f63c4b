import { run } from '../host/exec.ts';
import { isSystemdHost, scopeName, scopePrefix } from '../systemd/scope.ts';
import type { VmName } from '../types.ts';

export interface RunnerVm {
  name: VmName;
  memoryMb: number;
}

/**
 * Where a VM's processes live. A runner only wraps the command line: in every case QEMU is spawned
 * detached and keeps the pid it was spawned with.
 */
export interface Runner {
  readonly kind: 'direct' | 'systemd';
  /** argv prefix that puts the rest of the command line in its place and executes it. */
  prefix(vm: RunnerVm): string[];
  /** Takes away what is left of the place after QEMU's end. */
  clear(name: VmName): Promise<void>;
}

const direct: Runner = {
  kind: 'direct',
  prefix: () => [],
  clear: () => Promise.resolve(),
};

const systemd: Runner = {
  kind: 'systemd',
  prefix: ({ name }) => scopePrefix(name),
  async clear(name) {
    // Not loaded any more is the usual case: the manager drops a scope when its last process ends.
    await run('systemctl', ['reset-failed', '--quiet', scopeName(name)], { okCodes: [0, 1, 5] });
  },
};

/** systemd scopes need root and systemd as PID 1; everything else runs VMs as plain processes. */
export function chooseRunner(setting: 'auto' | Runner['kind']): Runner {
  if (setting === 'auto') return process.getuid?.() === 0 && isSystemdHost() ? systemd : direct;
  return setting === 'systemd' ? systemd : direct;
}
