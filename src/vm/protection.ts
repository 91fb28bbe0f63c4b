import { assertGuard, installGuard, removeGuard } from '../net/guard/install.ts';
import { addRoute, removeRoute } from '../net/route.ts';
import type { VmConfig } from '../store/vm-config.ts';

/** Confines the VM's tap to its own addresses, and leads its IPv6 address to the bridge. */
export async function protect({ network, mac }: VmConfig): Promise<void> {
  if (network.mode !== 'bridge') return;
  await installGuard({ ...network, mac });
  if (network.ipv6 !== '') await addRoute(network.ipv6, network.bridge);
}

/** The last look before the guest runs. @throws ProvisionerError when the tap is not confined. */
export async function assertProtected({ network, mac }: VmConfig): Promise<void> {
  if (network.mode === 'bridge') await assertGuard({ ...network, mac });
}

export async function unprotect({ network }: VmConfig): Promise<void> {
  if (network.mode !== 'bridge') return;
  if (network.ipv6 !== '') await removeRoute(network.ipv6, network.bridge);
  await removeGuard(network.tap);
}
