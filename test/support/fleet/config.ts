import type { VmConfig } from '../../../src/store/vm-config.ts';

/** A VM on a "tap" that is always there, so that its counters are really read. */
export function configOf(name: string, index: number): VmConfig {
  const id = String(index).padStart(12, '0');
  return {
    version: 1,
    name,
    vmid: 100 + index,
    uuid: `00000000-0000-4000-8000-${id}`,
    generation_id: `00000000-0000-4000-9000-${id}`,
    created_at: '2026-01-01T00:00:00Z',
    vcpus: 2,
    memory_mb: 1024,
    disk_bytes: 20 * 2 ** 30,
    mac: '52:54:00:00:00:01',
    network: { mode: 'bridge', bridge: 'br0', tap: 'lo', ipv4: '', ipv6: '' },
    template: 'none',
    username: 'admin',
  };
}
