import type { VmConfig } from '../store/vm-config.ts';
import type { ScopeBounds } from '../systemd/scope.ts';
import { MiB } from '../types.ts';
import type { Accel } from './accel.ts';

/** Devices, I/O buffers and page tables of a busy QEMU: 48 MiB idle, some hundred with deep disk queues. */
const OVERHEAD_BYTES = 512 * MiB;
/** QEMU's cache of translated code grows to 1 GiB (accel/tcg/region.c); KVM has none. */
const TCG_CACHE_BYTES = 1024 * MiB;
/** QEMU's main thread, I/O threads and loggers, and its pool of 64 workers for blocking I/O. */
const TASKS = 160;

/** Bounds of a VM's scope. Guest memory is counted as a whole, with a sixteenth for what describes it. */
export function boundsOf(
  { memory_mb, vcpus }: Pick<VmConfig, 'memory_mb' | 'vcpus'>,
  accel: Accel,
): ScopeBounds {
  const guest = memory_mb * MiB;
  const cache = accel === 'tcg' ? TCG_CACHE_BYTES : 0;
  return {
    memoryBytes: guest + Math.ceil(guest / 16) + OVERHEAD_BYTES + cache,
    tasks: TASKS + vcpus,
  };
}
