import * as fs from 'node:fs';
import { ProvisionerError } from '../errors.ts';
import { ensureDirectory } from '../host/files.ts';
import { removeTree } from '../host/remove-tree.ts';
import { createTap, removeTap, TAP_FD, tapExecPrefix, vhostAvailable } from '../net/tap.ts';
import type { QmpClient } from '../qmp/client.ts';
import { forgetIncarnation, writeIncarnation } from '../store/incarnation.ts';

import { DEVICE } from '../types.ts';

import { type QemuLaunch, qemuArgv } from './argv.ts';
import { consoleLogPrefix, openConsoleLog } from './console-log.ts';
import { endQemu } from './end.ts';

import { launchQemu, QemuEndedError } from './launch.ts';

import { withFreePort } from './ports.ts';
import { assertReachable, becomeUser } from './qemu-user.ts';
import { releaseStart, type StartContext } from './start-context.ts';
import type { Step } from './steps.ts';
import { storageFeatures } from './storage.ts';

export const START_STEPS: readonly Step<StartContext>[] = [
  {
    name: 'run directory',
    async do({ files, user, host }) {
      ensureDirectory(host.paths.run, 0o755);
      await removeTree(files.run);
      ensureDirectory(files.run, 0o750, user);
      assertReachable(user, files.run);
      assertReachable(user, files.directory);
    },
    undo: ({ files }) => removeTree(files.run),
  },
  {
    name: 'tap',
    async do({ config: { network } }) {
      if (network.mode === 'bridge') await createTap(network.tap, network.bridge);
    },
    async undo({ config: { network } }) {
      if (network.mode === 'bridge') await removeTap(network.tap);
    },
  },
  {
    name: 'console log',
    async do(context) {
      context.console = await openConsoleLog(context.files, context.user);
    },
  },
  {
    name: 'QEMU',
    async do(context) {
      for (let tries = 1; ; tries++) {
        try {
          context.qmp = await launch(context);
          return;
        } catch (error) {
          if (tries === PORT_TRIES || !portWasTaken(context, error)) throw error;
          await prepareAgain(context);
        }
      }
    },
    async undo(context) {
      await releaseStart(context);
      await endQemu(context.files, { graceMs: 0 });
      await context.runner.clear(context.name);
      forgetIncarnation(context.files);
    },
  },
  {
    name: 'guest',
    async do({ qmp, name, host }) {
      if (qmp === undefined) throw new ProvisionerError(`VM ${name}: no monitor to continue it by`);
      // The balloon reports what the guest uses only while it is polled (QEMU, docs/interop/virtio-balloon-stats).
      await qmp.execute('qom-set', {
        path: `/machine/peripheral/${DEVICE.balloon}`,
        property: 'guest-stats-polling-interval',
        value: 2,
      });
      await qmp.execute('cont');
      // What an observer published of the time before no longer holds.
      fs.rmSync(host.paths.published(name), { force: true });
    },
  },
];

async function launch(context: StartContext): Promise<QmpClient> {
  const { name, files, runner, accel, host, console } = context;
  if (console === undefined) throw new ProvisionerError(`VM ${name}: no pipe for its console`);
  const qemu = qemuArgv(launchOf(context));
  host.verbose(qemu.join(' '));
  await runner.prepare(name, host.signal);
  const { qmp } = await launchQemu({
    name,
    argv: [...prefixOf(context), ...qemu],
    stdin: console.reading,
    files,
    signal: host.signal,
    onProcess(process) {
      writeIncarnation(files, {
        ...process,
        runner: runner.kind,
        accel: accel.accel,
        started_at: new Date().toISOString(),
      });
    },
  });
  return qmp;
}

/** How often somebody else may be faster than QEMU to take the port that was free a moment ago. */
const PORT_TRIES = 5;

function portWasTaken({ config }: StartContext, error: unknown): boolean {
  return (
    config.network.mode === 'user' &&
    error instanceof QemuEndedError &&
    /Could not set up host forwarding rule/.test(error.detail ?? '')
  );
}

async function prepareAgain(context: StartContext): Promise<void> {
  const { host, files, user } = context;
  context.config = await withFreePort(host, files, context.config);
  // The logger of the first try reads until its pipe is closed: the next one gets a pipe of its own.
  await releaseStart(context);
  fs.rmSync(files.consoleFifo, { force: true });
  context.console = await openConsoleLog(files, user);
}

/** What stands before QEMU's command line; each executes the next in its own place. */
function prefixOf({ config, name, files, user, runner }: StartContext): string[] {
  const tap = config.network.mode === 'bridge' ? tapExecPrefix(config.network.tap) : [];
  return [...runner.prefix(name), ...tap, ...becomeUser(user), ...consoleLogPrefix(files)];
}

function launchOf({ host, files, config, accel, user }: StartContext): QemuLaunch {
  const vhost =
    accel.accel === 'kvm' && vhostAvailable() && (user === undefined || user.groups.length > 0);
  return {
    binary: host.settings.qemu_binary,
    name: config.name,
    uuid: config.uuid,
    generationId: config.generation_id,
    accel: accel.accel,
    vcpus: config.vcpus,
    memoryMb: config.memory_mb,
    disk: {
      file: files.disk,
      backing: host.paths.template(config.template).image,
      ...storageFeatures(files.directory),
    },
    seed: files.seed,
    mac: config.mac,
    network:
      config.network.mode === 'user'
        ? { kind: 'user', sshPort: config.network.ssh_port }
        : { kind: 'tap', fd: TAP_FD, vhost },
    sockets: {
      qmp: files.qmp,
      stat: files.stat,
      probe: files.probe,
      agent: files.agent,
      console: files.console,
    },
    consoleLog: files.consoleFifo,
    pidFile: files.pid,
  };
}
