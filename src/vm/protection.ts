import { assertGuard, installGuard, removeGuard } from '../net/guard/install.ts';
import { addRoute, removeRoute } from '../net/route.ts';
import { assertTapFree, repairPort, tapExists } from '../net/tap.ts';
import type { VmConfig } from '../store/vm-config.ts';

/**
 * Confines the VM's tap to its own addresses, and leads its IPv6 address to the bridge.
 * @throws ProvisionerError when a tap of that name serves another VM, whose guard stays as it is.
 */
export async function protect({ network, mac }: VmConfig): Promise<void> {
  if (network.mode !== 'bridge') return;
  await assertTapFree(network.tap);
  await installGuard({ ...network, mac });
  if (network.ipv6 !== '') await addRoute(network.ipv6, network.bridge);
}

/** For a VM that runs: puts back what somebody else has taken away, such as a reload of nftables. */
export async function repair({ network, mac }: VmConfig): Promise<void> {
  if (network.mode !== 'bridge' || process.getuid?.() !== 0) return;
  await installGuard({ ...network, mac });
  await repairPort(network.tap, network.bridge);
  if (network.ipv6 !== '') await addRoute(network.ipv6, network.bridge);
}

/** The last look before the guest runs. @throws ProvisionerError when the tap is not confined. */
export async function assertProtected({ network, mac }: VmConfig): Promise<void> {
  if (network.mode === 'bridge') await assertGuard({ ...network, mac });
}

/** To be called when the VM's own tap is gone: one that is there serves another VM, and stays confined. */
export async function unprotect({ network }: VmConfig): Promise<void> {
  if (network.mode !== 'bridge' || tapExists(network.tap)) return;
  if (network.ipv6 !== '') await removeRoute(network.ipv6, network.bridge);
  await removeGuard(network.tap);
}
