import * as fs from 'node:fs';
import { InputError } from '../errors.ts';
import { nearestFolder } from '../host/free-space.ts';
import { assertBridge } from '../net/tap.ts';
import type { Allocation } from '../store/record.ts';
import { GiB, type VmName } from '../types.ts';
import type { CreateContext } from './create-context.ts';
import { addressOf, poolOf } from './create-request.ts';
import { type CreateSite, siteOf } from './create-site.ts';
import { type CreateSpec, checkCreateSpec, diskBytes } from './create-spec.ts';
import { CREATE_STEPS } from './create-steps.ts';
import type { Host } from './host.ts';
import { underJournal } from './journal.ts';
import { withVmLock } from './lock.ts';
import { assertQemu } from './qemu-binary.ts';
import { recover } from './recover.ts';
import { userDataOf } from './seed-content.ts';
import { runSteps } from './steps.ts';
import { assertRoom } from './storage.ts';
import { sourceSize } from './template-choice.ts';
import { claimSources, returnTemplate } from './template-claim.ts';

/** The summary engines read (contract §2.1). */
export interface CreateResult {
  status: 'ok';
  vm_name: VmName;
  ip: string;
  ipv6: string;
  vmid: number;
  nft_token_id: string | null;
  username: string;
}

/** What `create` would do: everything is checked, nothing is changed. */
export async function previewCreate(host: Host, spec: CreateSpec): Promise<CreateResult> {
  await check(host, spec);
  siteOf(host, spec);
  await assertNameFree(host, spec.name);
  const allocation = await host.store.preview(poolOf(host, spec));
  return resultOf(spec, allocation, addressOf(spec, allocation));
}

/**
 * Creates a VM and returns when its guest is ready. Whatever fails, nothing of it is left.
 * @throws BusyError at once when another command works on the same name.
 */
export async function createVm(host: Host, spec: CreateSpec): Promise<CreateResult> {
  await check(host, spec);
  const site = siteOf(host, spec);
  const lock = host.blockhost?.lock();
  try {
    return await createLocked(host, spec, site);
  } finally {
    lock?.release();
  }
}

async function createLocked(host: Host, spec: CreateSpec, site: CreateSite): Promise<CreateResult> {
  const work = async (): Promise<CreateResult> => {
    await recover(host, spec.name);
    await assertNameFree(host, spec.name);
    const { template, disks, journal } = await claimSources(host, spec);
    const allocation: Allocation = { vmid: 0, ip: '', ipv6: '' };
    const create: CreateContext = { host, spec, site, template, disks, allocation, ip: '' };
    try {
      await underJournal(journal, () => runSteps(CREATE_STEPS, create, host));
    } catch (error) {
      await returnTemplate(host, template);
      throw error;
    }
    return resultOf(spec, create.allocation, create.ip);
  };
  return await withVmLock(host, spec.name, 'create', work, 0);
}

/** What can be known to be wrong is told before anything is touched. */
async function check(host: Host, spec: CreateSpec): Promise<void> {
  await checkCreateSpec(spec);
  if (host.role.kind === 'own') assertQemu(host.settings.qemu_binary);
  userDataOf(spec);
  if (spec.network === 'bridge' && host.role.kind === 'own' && process.getuid?.() !== 0) {
    throw new InputError('bridge networking needs root', {
      hint: 'run the command as root, or use --network user',
    });
  }
  if (spec.network === 'bridge' && spec.bridge !== undefined) assertBridge(spec.bridge);
  diskFits(spec, await sourceSize(host, spec));
  assertRoom(nearestFolder(host.paths.state), `VM ${spec.name}`, spec.content?.bytes);
}

async function assertNameFree(host: Host, name: VmName): Promise<void> {
  const record = await host.store.get(name);
  const gone = record === undefined || record.status === 'destroyed';
  if (gone && !fs.existsSync(host.paths.vm(name).directory)) return;
  throw new InputError(`VM ${name} exists already`, {
    hint: `choose another name, or run destroy ${name} first`,
  });
}

function diskFits(spec: CreateSpec, virtualSize: number): void {
  if (diskBytes(spec, virtualSize) >= virtualSize) return;
  const least = Math.ceil(virtualSize / GiB);
  throw new InputError(`--disk ${spec.diskGb} is smaller than the image, which needs ${least} GB`, {
    hint: `use --disk ${least} or more`,
  });
}

function resultOf(spec: CreateSpec, { vmid, ipv6 }: Allocation, ip: string): CreateResult {
  return {
    status: 'ok',
    vm_name: spec.name,
    ip,
    ipv6,
    vmid,
    nft_token_id: spec.nftTokenId,
    username: spec.username,
  };
}
