import { randomBytes, randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError } from '../errors.ts';
import { ensureDirectory } from '../host/files.ts';
import { probeImage } from '../image/image-probe.ts';
import { importImage } from '../image/import-image.ts';
import { createOverlay, imageInfo } from '../image/qcow2.ts';
import { writeSeed } from '../image/seed.ts';
import { currentTemplate, findTemplate, type Template } from '../image/template-store.ts';
import { assertBridge, tapName } from '../net/tap.ts';
import type { Allocation } from '../store/record.ts';
import { type VmConfig, type VmNetwork, writeVmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { type CreateSpec, checkCreateSpec, diskBytes } from './create-spec.ts';
import { guestAddress } from './guest-address.ts';
import type { Host } from './host.ts';
import { Journal, runJournaled } from './journal.ts';
import { withVmLock } from './lock.ts';
import { freeSshPort } from './ports.ts';
import { waitUntilReady } from './ready.ts';
import { newRecord } from './record.ts';
import { recover } from './recover.ts';
import { seedContent, USER_NET, userDataOf } from './seed-content.ts';
import { prepareStart, releaseStart, START_STEPS, type StartContext } from './start.ts';
import type { Step } from './steps.ts';
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

export interface CreateContext extends StartContext {
  spec: CreateSpec;
  template: Template;
  ip: string;
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

export const CREATE_STEPS: readonly Step<CreateContext>[] = [
  {
    name: 'addresses',
    async do(context) {
      const { host, spec, template } = context;
      const allocation = await host.store.allocate(spec.name, poolOf(host, spec));
      const port = spec.network === 'user' ? await freeSshPort(allocation.vmid) : 0;
      context.config = configOf(spec, template, allocation, port);
      context.ip = addressOf(spec, allocation);
    },
    undo: ({ host, name }) => host.store.release(name),
  },
  {
    name: 'directory',
    do({ files, user, config, host }) {
      ensureDirectory(host.paths.vms, 0o711);
      fs.mkdirSync(files.directory, { mode: 0o710 });
      fs.chmodSync(files.directory, 0o710);
      if (user !== undefined) fs.chownSync(files.directory, 0, user.gid);
      writeVmConfig(files, config);
    },
    undo({ files }) {
      fs.rmSync(files.directory, { recursive: true, force: true });
    },
  },
  {
    name: 'disk',
    do: ({ files, user, config, template, host }) =>
      createOverlay({
        backing: template.image,
        backingFormat: 'qcow2',
        file: files.disk,
        sizeBytes: config.disk_bytes,
        owner: user,
        signal: host.signal,
      }),
  },
  {
    name: 'seed',
    do: ({ files, user, host, spec, config, ip }) =>
      writeSeed(files.seed, seedContent(spec, config, ip, host.settings.ip_pool), {
        mode: user === undefined ? 0o600 : 0o640,
        ...(user === undefined ? {} : { owner: { uid: 0, gid: user.gid } }),
      }),
  },
  ...START_STEPS,
  {
    name: 'guest ready',
    async do(context) {
      const { host, name, config, spec } = context;
      await releaseStart(context);
      host.report(`QEMU runs; waiting for the guest (at most ${host.settings.ready_timeout} s)`);
      await waitUntilReady(host, name, config.username, (seconds) =>
        host.report(`guest agent answers after ${seconds.toFixed(1)} s`),
      );
      if (context.ip === '' && spec.network === 'bridge') {
        context.ip = await guestAddress(host, name, config.mac);
      }
    },
  },
  {
    name: 'record',
    do: ({ host, spec, config, ip }) => host.store.register(newRecord(spec, config, ip)),
    undo: ({ host, name }) => host.store.remove(name),
  },
];

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

function configOf(
  spec: CreateSpec,
  template: Template,
  { vmid }: Allocation,
  sshPort: number,
): VmConfig {
  return {
    version: 1,
    name: spec.name,
    vmid,
    uuid: randomUUID(),
    generation_id: randomUUID(),
    created_at: new Date().toISOString(),
    vcpus: spec.vcpus,
    memory_mb: spec.memoryMb,
    disk_bytes: diskBytes(spec, template.manifest.virtualSize),
    mac: randomMac(),
    network: networkOf(spec, vmid, sshPort),
    template: template.id,
    username: spec.username,
  };
}

function networkOf(spec: CreateSpec, vmid: number, sshPort: number): VmNetwork {
  if (spec.network === 'bridge' && spec.bridge !== undefined) {
    return { mode: 'bridge', bridge: spec.bridge, tap: tapName(vmid) };
  }
  return { mode: 'user', ssh_port: sshPort };
}

/** QEMU's customary prefix; the rest is random, so that two hosts on one network do not collide. */
function randomMac(): string {
  return ['52', '54', '00', ...(randomBytes(3).toString('hex').match(/../g) ?? [])].join(':');
}

function poolOf(host: Host, spec: CreateSpec): Host['settings']['ip_pool'] {
  return spec.network === 'bridge' ? host.settings.ip_pool : undefined;
}

function addressOf(spec: CreateSpec, allocation: Allocation): string {
  return spec.network === 'user' ? USER_NET.guest : allocation.ip;
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
