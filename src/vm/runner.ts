import { BusyError, ProvisionerError } from '../errors.ts';
import {
  clearScope,
  isStrangersScope,
  isSystemdHost,
  type ScopeBounds,
  scopeGone,
  scopeName,
  scopePrefix,
} from '../systemd/scope.ts';
import type { VmName } from '../types.ts';
import type { RootContext } from './host.ts';

/** Names are unique in one state directory only. */
export interface Placed {
  name: VmName;
  /** The VM's own. */
  directory: string;
}

/**
 * Where a VM's processes live. A runner only wraps the command line: in every case QEMU is spawned
 * detached and keeps the pid it was spawned with.
 */
export interface Runner {
  readonly kind: 'direct' | 'systemd';
  /** Waits until the place is free. @throws ProvisionerError when something else is in it: in haste a BusyError. */
  prepare(vm: Placed, context: Pick<RootContext, 'inHaste' | 'signal'>): Promise<void>;
  /** argv prefix that puts the rest of the command line in its place and executes it. */
  prefix(vm: Placed, bounds: ScopeBounds): string[];
  /**
   * Waits a moment until nothing is left of the place after QEMU's end. One that another VM has stays as it is.
   * @throws ProvisionerError when something in it does not end.
   */
  clear(vm: Placed): Promise<void>;
}

const direct: Runner = {
  kind: 'direct',
  prepare: () => Promise.resolve(),
  prefix: () => [],
  clear: () => Promise.resolve(),
};

/** The manager learns of the last process's end within milliseconds; a host under heavy load may take long. */
const PREPARE_MS = 10_000;
/** Behind a door nobody waits for so long: whoever asked asks again. */
const HASTY_MS = 400;

const systemd: Runner = {
  kind: 'systemd',
  async prepare({ name, directory }, { inHaste = false, signal }) {
    const strange = isStrangersScope(name, directory);
    const deadlineMs = inHaste ? HASTY_MS : PREPARE_MS;
    if (!strange && (await scopeGone(name, { deadlineMs, signal }))) return;
    const unit = scopeName(name);
    const Failure = inHaste && !strange ? BusyError : ProvisionerError;
    throw new Failure(`VM ${name}: its unit ${unit} is in use by another program`, {
      hint: `see systemctl status ${unit}; another state directory may have a VM of this name`,
    });
  },
  prefix: ({ name, directory }, bounds) => scopePrefix(name, bounds, directory),
  async clear({ name, directory }) {
    if (await clearScope(name, directory)) return;
    const unit = scopeName(name);
    throw new ProvisionerError(
      `VM ${name}: its unit ${unit} has processes that SIGKILL does not end`,
      {
        hint: `see systemctl status ${unit}; then try again`,
      },
    );
  },
};

/** systemd scopes need root and systemd as PID 1; everything else runs VMs as plain processes. */
export function chooseRunner(setting: 'auto' | Runner['kind']): Runner {
  if (setting === 'auto') return process.getuid?.() === 0 && isSystemdHost() ? systemd : direct;
  return setting === 'systemd' ? systemd : direct;
}
