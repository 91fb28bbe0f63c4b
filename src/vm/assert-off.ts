import { ProvisionerError } from '../errors.ts';
import type { VmFiles } from '../host/paths.ts';
import type { VmName } from '../types.ts';
import { processesOf } from './end-qemu.ts';

/** @throws ProvisionerError with what is possible of a VM that is off only. */
export function assertOff(name: VmName, files: VmFiles, rule: string): void {
  if (processesOf(files).length === 0) return;
  throw new ProvisionerError(`VM ${name} is running: ${rule}`, { hint: `run stop ${name} first` });
}
