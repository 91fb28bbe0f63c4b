/** Where an auditor looks. It knows the places by their names alone: docs/architecture.md, not src/host/paths.ts. */
export interface World {
  state: string;
  run: string;
  /** Put before `ip` and `nft`: `ip netns exec NAME`. Absent: the kernel's side is that of this process. */
  prefix?: readonly string[];
  /** VMs that may be off without having been stopped: their guest, or a power cut, ended them. */
  mayHaveEnded?: boolean;
}

/** vm.json, as far as an auditor needs it. */
export interface Config {
  name: string;
  vmid: number;
  memory_mb: number;
  disk_bytes: number;
  template: string;
  qemu_uid?: number;
  extra_disks?: number[];
  limits?: Record<string, number>;
  network: { mode: string; bridge?: string; tap?: string; ipv4?: string };
}

/** What was found of one VM, gathered once and looked at from all sides. */
export interface Vm {
  name: string;
  config: Config | undefined;
  /** Process ids of its QEMU. */
  qemus: number[];
}
