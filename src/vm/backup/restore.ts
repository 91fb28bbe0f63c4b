import type { VmName } from '../../types.ts';
import { type CreateResult, createVm } from '../create.ts';
import type { CreateSpec } from '../create-spec.ts';
import type { Host } from '../host.ts';
import { assertOperator } from '../own-host.ts';
import type { VerifiedBackup } from '../root-side.ts';

export interface RestoreOptions {
  vcpus: number | undefined;
  memoryMb: number | undefined;
  bridge: string | undefined;
  sshKeys: string[];
  /** Of the owner; BlockHost's VMs have one. */
  wallet: string;
  /** Undefined: as the settings say. */
  expiryDays: number | undefined;
  wait: boolean;
}

/**
 * Makes a new VM of a complete backup and its increments, which the command line names, once all of them are
 * verified. Without a name that is all.
 * @throws InputError naming the file that is damaged or does not follow the one before.
 */
export async function restoreVm(
  host: Host,
  name: VmName | undefined,
  options: RestoreOptions,
): Promise<CreateResult | undefined> {
  assertOperator(host, 'restore');
  const verified = await host.root.restore.verify();
  if (name === undefined) return undefined;
  return await createVm(host, specOf(host, name, verified, options));
}

function specOf(
  host: Host,
  name: VmName,
  { header: { vm, disks }, bytes }: VerifiedBackup,
  { vcpus, memoryMb, bridge, sshKeys, wallet, expiryDays, wait }: RestoreOptions,
): CreateSpec {
  const { settings } = host;
  return {
    name,
    content: {
      diskBytes: disks[0]?.bytes ?? 0,
      bytes,
      write: () => host.root.restore.fill({ name }),
    },
    wallet,
    nftTokenId: null,
    expiryDays: expiryDays ?? settings.default_expiry_days,
    vcpus: vcpus ?? vm.vcpus,
    memoryMb: memoryMb ?? vm.memory_mb,
    diskGb: undefined,
    username: vm.username,
    network: bridge === undefined ? settings.network : 'bridge',
    bridge: bridge ?? settings.bridge,
    image: undefined,
    template: undefined,
    cloudInitContent: undefined,
    sshKeys,
    extras: {
      hostname: undefined,
      forwards: [],
      segments: [],
      disks: disks.slice(1).map(({ bytes }) => ({ bytes })),
      userData: [],
      address: undefined,
      wait,
    },
  };
}
