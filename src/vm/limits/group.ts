import type { VmFiles } from '../../host/paths.ts';
import type { QmpClient } from '../../qmp/client.ts';
import type { Incarnation } from '../../store/incarnation.ts';
import type { VmConfig } from '../../store/vm-config.ts';
import type { LimitKey, VmLimits } from '../../store/vm-limits.ts';
import type { VmName } from '../../types.ts';

/** A running VM. */
export interface LimitedVm {
  name: VmName;
  files: VmFiles;
  config: VmConfig;
  runner: Incarnation['runner'];
  pid: number;
  /** Its monitor. @throws QmpError when QEMU does not answer, as one may that has little CPU time */
  qmp(): Promise<QmpClient>;
}

/** Limits that are kept by one mechanism. */
export interface LimitGroup {
  name: 'CPU' | 'disk' | 'network';
  keys: readonly LimitKey[];
  /** Why this VM cannot have limits of this group, in words; undefined when it can. */
  unsupported(vm: Pick<LimitedVm, 'config' | 'runner'>): string | undefined;
  /** Makes all limits of the group as they stand in `limits`. @throws ProvisionerError */
  apply(vm: LimitedVm, limits: VmLimits): Promise<void>;
  /**
   * What is in force, from whoever enforces it. `hint` says which of several values that the mechanism
   * cannot tell apart was wanted.
   */
  read(vm: LimitedVm, hint: VmLimits): Promise<VmLimits>;
}
