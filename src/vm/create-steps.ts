import * as fs from 'node:fs';

import { ensureDirectory } from '../host/files.ts';

import { createOverlay } from '../image/qcow2.ts';
import { writeSeed } from '../image/seed.ts';
import type { Template } from '../image/template-store.ts';

import { writeVmConfig } from '../store/vm-config.ts';

import type { CreateSpec } from './create-spec.ts';
import { guestAddress } from './guest-address.ts';
import { addressOf, configOf, poolOf } from './new-config.ts';
import { freeSshPort } from './ports.ts';
import { waitUntilReady } from './ready.ts';
import { newRecord } from './record.ts';
import { seedContent } from './seed-content.ts';
import { releaseStart, type StartContext } from './start-context.ts';
import { START_STEPS } from './start-steps.ts';
import type { Step } from './steps.ts';

export interface CreateContext extends StartContext {
  spec: CreateSpec;
  template: Template;
  ip: string;
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
