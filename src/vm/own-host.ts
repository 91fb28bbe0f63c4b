import { ProvisionerError } from '../errors.ts';
import type { Host } from './host.ts';

/**
 * Verbs that touch a VM's files themselves run where the VMs belong to whoever runs them: root on a host of
 * its own, or anybody with a folder of their own. BlockHost's user cannot, and the root side does not offer it.
 * @throws ProvisionerError elsewhere.
 */
export function assertOwnHost(host: Host, verb: string): void {
  if (host.role.kind === 'own') return;
  throw new ProvisionerError(`${verb} is not available on a BlockHost host`, {
    hint: 'its VMs are changed by their engine only',
  });
}

/**
 * Verbs that read or write files all over the host, and take long: the root agent's door has neither.
 * @throws ProvisionerError for BlockHost's user.
 */
export function assertOperator(host: Host, verb: string): void {
  if (host.role.kind !== 'agent') return;
  throw new ProvisionerError(`${verb} is not available to BlockHost's user`, {
    hint: 'run it as root',
  });
}
