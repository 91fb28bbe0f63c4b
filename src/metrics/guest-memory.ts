import type { BalloonStats } from '../qmp/balloon.ts';

/** Bytes the guest uses and could not give back, or null when its balloon driver has sent nothing sensible. */
export function usedMemory(stats: BalloonStats): number | null {
  const { totalBytes, availableBytes, freeBytes } = stats;
  // Kernels before 4.6 do not report what is available.
  const available = availableBytes ?? freeBytes;
  if (totalBytes === undefined || available === undefined || available > totalBytes) return null;
  return totalBytes - available;
}
