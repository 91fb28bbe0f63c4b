import type { VmRecord } from '../store/record.ts';
import type { VmConfig } from '../store/vm-config.ts';
import type { CreateContext } from './create-context.ts';
import { addressOf, filesRequest, poolOf } from './create-request.ts';
import { endVm } from './end-vm.ts';
import { guestAddress } from './guest-address.ts';
import { freeSshPort } from './ports.ts';
import { waitUntilReady } from './ready.ts';
import { newRecord } from './record.ts';
import type { Step } from './steps.ts';

export const CREATE_STEPS: readonly Step<CreateContext>[] = [
  {
    name: 'addresses',
    async do(create) {
      const { host, spec } = create;
      create.allocation = await host.store.allocate(spec.name, poolOf(host, spec));
      create.ip = addressOf(spec, create.allocation);
    },
    undo: ({ host, spec }) => host.store.release(spec.name),
  },
  {
    name: 'files',
    async do(create) {
      const { host, spec, allocation, template, disks } = create;
      const port = spec.network === 'user' ? await freeSshPort(allocation.vmid) : 0;
      const pool = host.settings.ip_pool;
      const told = await create.site.tell(allocation, create.ip);
      create.config = await host.root.createFiles(
        filesRequest({ spec, allocation, template, disks, port, pool, ...told }),
      );
    },
    undo: ({ host, spec, allocation }) =>
      host.root.remove({ name: spec.name, vmid: allocation.vmid }),
  },
  {
    name: 'content',
    do: ({ host, spec }) => spec.content?.write(host, spec.name),
  },
  {
    name: 'start',
    async do({ host, spec }) {
      await host.root.start({ name: spec.name });
    },
    async undo({ host, spec }) {
      await endVm(host, spec.name, 'destroy', 0);
    },
  },
  {
    name: 'guest ready',
    async do(create) {
      const { host, spec } = create;
      if (spec.extras?.wait === false) return;
      host.report(`QEMU runs; waiting for the guest (at most ${host.settings.ready_timeout} s)`);
      await waitUntilReady(host, spec.name, spec.username, (seconds) =>
        host.report(`guest agent answers after ${seconds.toFixed(1)} s`),
      );
      if (create.ip === '') create.ip = await guestAddress(host, spec.name, made(create).mac);
    },
  },
  {
    name: 'record',
    do: (create) => create.host.store.register(recordOf(create)),
    undo: ({ host, spec }) => host.store.remove(spec.name),
  },
];

function made({ config, spec }: CreateContext): VmConfig {
  if (config === undefined) throw new Error(`VM ${spec.name} has no files yet`);
  return config;
}

function recordOf(create: CreateContext): VmRecord {
  const { spec, site, allocation, ip } = create;
  const { vmid, network } = made(create);
  const network_mode = site.networkMode ?? network.mode;
  return newRecord(spec, { vmid, ip_address: ip, ipv6_address: allocation.ipv6, network_mode });
}
