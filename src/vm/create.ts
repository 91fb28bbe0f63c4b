import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError } from '../errors.ts';
import { ensureDirectory } from '../host/files.ts';
import { probeImage } from '../image/image-probe.ts';
import { importImage } from '../image/import-image.ts';
import { imageInfo } from '../image/qcow2.ts';

import { currentTemplate, findTemplate, type Template } from '../image/template-store.ts';
import { assertBridge } from '../net/tap.ts';

import type { VmName } from '../types.ts';
import { type CreateSpec, checkCreateSpec, diskBytes } from './create-spec.ts';
import { CREATE_STEPS, type CreateContext } from './create-steps.ts';
import type { Host } from './host.ts';
import { Journal, runJournaled } from './journal.ts';
import { withVmLock } from './lock.ts';
import { addressOf, configOf, poolOf } from './new-config.ts';
import { recover } from './recover.ts';
import { userDataOf } from './seed-content.ts';
import { prepareStart, releaseStart } from './start-context.ts';
import { assertRoom } from './storage.ts';

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
  await assertNameFree(host, spec.name);
  const allocation = await host.store.preview(poolOf(host, spec));
  return resultOf(spec, allocation.vmid, addressOf(spec, allocation));
}

/**
 * Creates a VM and returns when its guest is ready. Whatever fails, nothing of it is left.
 * @throws BusyError at once when another command works on the same name.
 */
export async function createVm(host: Host, spec: CreateSpec): Promise<CreateResult> {
  await check(host, spec);
  const work = async (): Promise<CreateResult> => {
    await recover(host, spec.name);
    await assertNameFree(host, spec.name);
    ensureDirectory(host.paths.state, 0o755);
    assertRoom(host.paths.state);
    const template = await takeTemplate(host, spec);
    const config = configOf(spec, template, { vmid: 0, ip: '' }, 1024);
    const context: CreateContext = {
      ...(await prepareStart(host, config)),
      spec,
      template,
      ip: '',
    };
    try {
      await runJournaled(host, new Journal(host, spec.name, 'create'), CREATE_STEPS, context);
    } finally {
      await releaseStart(context);
    }
    return resultOf(spec, context.config.vmid, context.ip);
  };
  return await withVmLock(host, spec.name, 'create', work, 0);
}

/** What can be known to be wrong is told before anything is touched. */
async function check(host: Host, spec: CreateSpec): Promise<void> {
  await checkCreateSpec(spec);
  userDataOf(spec);
  if (spec.network === 'bridge' && spec.bridge !== undefined) assertBridge(spec.bridge);
  diskFits(spec, await sourceSize(host, spec));
}

async function assertNameFree(host: Host, name: VmName): Promise<void> {
  const record = await host.store.get(name);
  if (record === undefined && !fs.existsSync(host.paths.vm(name).directory)) return;
  throw new InputError(`VM ${name} exists already`, {
    hint: `choose another name, or run destroy ${name} first`,
  });
}

function chosenTemplate(host: Host, spec: CreateSpec): Template {
  return spec.template === undefined
    ? currentTemplate(host.paths)
    : findTemplate(host.paths, spec.template);
}

async function takeTemplate(host: Host, spec: CreateSpec): Promise<Template> {
  if (spec.image === undefined) return chosenTemplate(host, spec);
  const { report, signal } = host;
  return await importImage(host.paths, spec.image, { defaultUser: spec.username, report, signal });
}

/** Bytes of the disk the VM starts from, be it in the store already or an image still to be imported. */
async function sourceSize(host: Host, spec: CreateSpec): Promise<number> {
  if (spec.image === undefined) return chosenTemplate(host, spec).manifest.virtualSize;
  const format = probeImage(spec.image);
  return (await imageInfo(path.resolve(spec.image), { format, signal: host.signal })).virtualSize;
}

function diskFits(spec: CreateSpec, virtualSize: number): void {
  if (diskBytes(spec, virtualSize) >= virtualSize) return;
  const least = Math.ceil(virtualSize / 1024 ** 3);
  throw new InputError(`--disk ${spec.diskGb} is smaller than the image, which needs ${least} GB`, {
    hint: `use --disk ${least} or more`,
  });
}

function resultOf(spec: CreateSpec, vmid: number, ip: string): CreateResult {
  return {
    status: 'ok',
    vm_name: spec.name,
    ip,
    ipv6: '',
    vmid,
    nft_token_id: spec.nftTokenId,
    username: spec.username,
  };
}
