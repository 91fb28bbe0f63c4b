import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { InputError } from '../errors.ts';
import { ensureDirectory } from '../host/files.ts';
import type { Paths, VmFiles } from '../host/paths.ts';
import { renderMetaData } from '../image/meta-data.ts';
import { renderNetworkConfig } from '../image/network-config.ts';
import { createOverlay } from '../image/qcow2.ts';
import { type SeedContent, writeSeed } from '../image/seed.ts';
import { findTemplate, type Template } from '../image/template-store.ts';
import { assertBridge, tapName } from '../net/tap.ts';
import { allConfigs } from '../store/all-configs.ts';
import { type VmConfig, writeVmConfig } from '../store/vm-config.ts';
import { GiB, type VmName } from '../types.ts';
import { assertUnique } from './assert-unique.ts';
import { makeExtraDisks } from './extra-disks.ts';
import type { RootContext } from './host.ts';
import { randomMac } from './mac.ts';
import { chooseUid, type QemuUser, qemuUserOf } from './qemu-user.ts';
import type { CreateFiles } from './root-side.ts';
import { extrasConfig } from './segments.ts';
import { runSteps, type Step } from './steps.ts';
import { assertRoom } from './storage.ts';

interface FilesContext {
  context: RootContext;
  request: CreateFiles;
  config: VmConfig;
  files: VmFiles;
  template: Template;
  user: QemuUser | undefined;
  /** Whether the directory is ours to remove: one that was there is another VM's. */
  made: boolean;
}

/** Makes all that a VM consists of while it is off. When it fails nothing of it is left. */
export async function createFiles(context: RootContext, request: CreateFiles): Promise<VmConfig> {
  const { paths } = context;
  if (fs.existsSync(paths.vm(request.name).directory))
    throw new InputError(`VM ${request.name} exists already`);
  assertUnique(paths, request);
  if (context.inHaste === true && request.extras?.disks.some((disk) => 'template' in disk)) {
    throw new InputError(`VM ${request.name}: a further disk cannot be copied from an image here`);
  }
  const template = findTemplate(paths, request.template);
  const least = template.manifest.virtualSize;
  if (request.disk_bytes < least) {
    throw new InputError(
      `VM ${request.name}: a disk of ${request.disk_bytes} bytes is smaller than its template`,
      { hint: `use ${Math.ceil(least / GiB)} GB or more` },
    );
  }
  if (request.network.mode === 'bridge') assertBridge(request.network.bridge);
  ensureDirectory(paths.state, 0o755);
  ensureDirectory(paths.vms, 0o755);
  assertRoom(paths.state);
  const config = configOf(context, request, template);
  const user = qemuUserOf(config.qemu_uid, context.settings);
  const files = paths.vm(request.name);
  const create = { context, request, config, files, template, user, made: false };
  await runSteps(FILES_STEPS, create, context);
  return create.config;
}

export const FILES_STEPS: readonly Step<FilesContext>[] = [
  {
    name: 'directory',
    do(create) {
      const { files, config } = create;
      fs.mkdirSync(files.directory);
      create.made = true;
      // Everybody may pass: who observes a VM reads vm.json. Each file inside has a mode of its own.
      fs.chmodSync(files.directory, 0o711);
      writeVmConfig(files, config);
    },
    undo({ files, made }) {
      if (made) fs.rmSync(files.directory, { recursive: true, force: true });
    },
  },
  {
    name: 'disk',
    do: ({ files, user, config, template, context }) =>
      createOverlay({
        backing: template.image,
        backingFormat: 'qcow2',
        file: files.disk,
        sizeBytes: config.disk_bytes,
        owner: user,
        signal: context.signal,
      }),
  },
  {
    name: 'extra disks',
    async do(create) {
      const disks = create.request.extras?.disks ?? [];
      if (disks.length === 0) return;
      const { files, user, context } = create;
      const extra_disks = await makeExtraDisks(context, files, disks, user);
      create.config = { ...create.config, extra_disks };
      writeVmConfig(files, create.config);
    },
  },
  {
    name: 'seed',
    do: ({ files, user, request, config }) =>
      writeSeed(files.seed, seedOf(request, config), {
        mode: user === undefined ? 0o600 : 0o640,
        ...(user === undefined ? {} : { owner: { uid: 0, gid: user.gid } }),
      }),
  },
];

function configOf(
  { paths, settings }: RootContext,
  request: CreateFiles,
  template: Template,
): VmConfig {
  const { network, vmid } = request;
  return {
    version: 1,
    name: request.name,
    vmid,
    uuid: randomUUID(),
    generation_id: randomUUID(),
    created_at: new Date().toISOString(),
    vcpus: request.vcpus,
    memory_mb: request.memory_mb,
    disk_bytes: request.disk_bytes,
    mac: randomMac(),
    network: network.mode === 'user' ? network : { ...network, tap: tapName(vmid) },
    ...extrasConfig(request.extras, paths.state),
    template: template.id,
    username: request.username,
    ...(process.getuid?.() === 0
      ? { qemu_uid: chooseUid(vmid, settings.qemu_uids, takenUids(paths)) }
      : {}),
  };
}

/** A damaged vm.json tells nothing; then the owner of the disk does. */
function takenUids(paths: Paths): Set<number> {
  const owner = (name: VmName): number | undefined =>
    fs.statSync(paths.vm(name).disk, { throwIfNoEntry: false })?.uid;
  const uids = allConfigs(paths).map(({ name, config }) => config?.qemu_uid ?? owner(name));
  return new Set([...uids.filter((uid) => uid !== undefined), ...uidsInUse()]);
}

/** Users of running processes: one that a VM has left behind would own the next VM's disk. */
function uidsInUse(): number[] {
  return fs
    .readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => fs.statSync(`/proc/${entry}`, { throwIfNoEntry: false })?.uid)
    .filter((uid) => uid !== undefined);
}

function seedOf({ name, seed, extras }: CreateFiles, config: VmConfig): SeedContent {
  const { ipv4, ipv6, nameservers } = seed;
  return {
    userData: seed.user_data,
    metaData: renderMetaData({ instanceId: config.uuid, hostname: extras?.hostname ?? name }),
    networkConfig: renderNetworkConfig({
      mac: config.mac,
      ipv4,
      ipv6,
      nameservers,
      more: (config.segments ?? []).map(({ mac, address, prefix_length }) => ({
        mac,
        address,
        prefixLength: prefix_length,
      })),
    }),
  };
}
