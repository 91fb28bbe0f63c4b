import * as fs from 'node:fs';
import { ProvisionerError } from '../errors.ts';
import { ensureDirectory } from '../host/files.ts';
import { removeWithoutLinks } from '../host/open-beneath.ts';
import type { VmFiles } from '../host/paths.ts';
import { pidNamespace } from '../host/process.ts';
import { removeTree } from '../host/remove-tree.ts';
import { removeShape } from '../net/shape/shape.ts';
import { createTap, removeTap, TAP_FD, tapExecPrefix, vhostAvailable } from '../net/tap.ts';
import type { QmpClient } from '../qmp/client.ts';
import { forgetIncarnation, writeIncarnation } from '../store/incarnation.ts';
import { DEVICE } from '../types.ts';
import { type QemuLaunch, qemuArgv } from './argv.ts';
import { boundsOf } from './bounds.ts';
import { openConsoleLog } from './console-log.ts';
import { endQemu } from './end-qemu.ts';
import { extraDiskFiles } from './extra-disks.ts';
import { assertForwardsFree } from './forwards.ts';
import { launchQemu, QemuEndedError } from './launch.ts';
import { limitStart } from './limits/limit-start.ts';
import { loggersPrefix } from './loggers.ts';
import { withFreePort } from './ports.ts';
import { assertProtected, protect, unprotect } from './protection.ts';
import { openQemuLog } from './qemu-log.ts';
import { assertReachable, becomeUser } from './qemu-user.ts';
import { releaseStart, type StartContext } from './start-context.ts';
import type { Step } from './steps.ts';
import { storageFeatures } from './storage.ts';

export const START_STEPS: readonly Step<StartContext>[] = [
  {
    name: 'run directory',
    async do({ files, user, context }) {
      ensureDirectory(context.paths.run, 0o755);
      await removeTree(files.run);
      // By the sticky group sockets belong to those who may use them, without QEMU being one of them.
      ensureDirectory(
        files.run,
        // Nobody comes between us and QEMU before the guest runs.
        0o2700,
        user === undefined ? undefined : { uid: user.uid, gid: user.accessGid },
      );
      assertReachable(user, files.run);
      assertReachable(user, files.directory);
    },
    undo: ({ files }) => removeTree(files.run),
  },
  {
    // Before the tap: rules go by its name, so that its first frame meets them.
    name: 'network guard',
    do: ({ config }) => protect(config),
    undo: ({ config }) => unprotect(config),
  },
  {
    name: 'tap',
    async do({ config: { network } }) {
      if (network.mode !== 'bridge') return;
      await removeShape(network.tap);
      await createTap(network.tap, network.bridge);
    },
    async undo({ config: { network } }) {
      if (network.mode !== 'bridge') return;
      await removeTap(network.tap);
      await removeShape(network.tap);
    },
  },
  {
    name: 'logs',
    do: openLogs,
    async undo(start) {
      await releaseStart(start);
      for (const fifo of [start.files.consoleFifo, start.files.qemuFifo])
        fs.rmSync(fifo, { force: true });
    },
  },
  {
    name: 'QEMU',
    async do(start) {
      for (let tries = 1; ; tries++) {
        try {
          start.qmp = await launch(start);
          return;
        } catch (error) {
          if (tries === PORT_TRIES || !portWasTaken(start, error)) throw error;
          await prepareAgain(start);
        }
      }
    },
    async undo(start) {
      await releaseStart(start);
      const { gone } = await endQemu(start.files, 'kill', KILL_MS);
      if (!gone) throw new ProvisionerError('QEMU does not end, even by SIGKILL');
      await start.runner.clear({ name: start.name, ...start.files });
      forgetIncarnation(start.files);
    },
  },
  {
    // QEMU waits: in force before the guest's first instruction.
    name: 'limits',
    do: limitStart,
  },
  {
    name: 'guest',
    async do({ qmp, name, config, context, files }) {
      if (qmp === undefined) throw new ProvisionerError(`VM ${name}: no monitor to continue it by`);
      // The balloon reports what the guest uses only while it is polled (QEMU, docs/interop/virtio-balloon-stats).
      await qmp.execute('qom-set', {
        path: `/machine/peripheral/${DEVICE.balloon}`,
        property: 'guest-stats-polling-interval',
        value: 2,
      });
      // What an observer published of the time before no longer holds.
      removeWithoutLinks(context.paths.published(name));
      await assertProtected(config);
      await qmp.execute('cont');
      openToGroup(files);
    },
  },
];

/** Whoever looks at VMs reaches the sockets, once the guest runs. */
export function openToGroup({ run }: VmFiles): void {
  fs.chmodSync(run, 0o2750);
}

const KILL_MS = 10_000;

async function launch(start: StartContext): Promise<QmpClient> {
  const { name, files, runner, accel, context, console, log } = start;
  if (console === undefined || log === undefined) throw new Error(`VM ${name} has no logs`);
  await assertForwardsFree(context.paths, start.config);
  const qemu = qemuArgv(launchOf(start));
  context.verbose(qemu.join(' '));
  await runner.prepare({ name, ...files }, context);
  const { qmp } = await launchQemu({
    name,
    argv: [...prefixOf(start), ...qemu],
    stdin: console.reading,
    log,
    files,
    signal: context.signal,
    onProcess(process) {
      writeIncarnation(files, {
        ...process,
        pidNamespace: pidNamespace(),
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
    new RegExp(`Could not set up host forwarding rule.*:${config.network.ssh_port}-:22\\b`).test(
      error.detail ?? '',
    )
  );
}

async function prepareAgain(start: StartContext): Promise<void> {
  const { context, files } = start;
  start.config = await withFreePort(context, files, start.config);
  // The logger of the first try reads until its pipe is closed: the next one gets a pipe of its own.
  await releaseStart(start);
  fs.rmSync(files.consoleFifo, { force: true });
  await openLogs(start);
}

async function openLogs(start: StartContext): Promise<void> {
  start.console = await openConsoleLog(start.files, start.user);
  start.log = await openQemuLog(start.files, start.user);
}

/** What stands before QEMU's command line; each executes the next in its own place. */
function prefixOf({ config, name, files, user, runner, accel }: StartContext): string[] {
  const tap = config.network.mode === 'bridge' ? tapExecPrefix(config.network.tap) : [];
  return [
    ...runner.prefix({ name, ...files }, boundsOf(config, accel.accel)),
    ...tap,
    ...becomeUser(user),
    ...loggersPrefix(files),
  ];
}

function launchOf({ context, files, config, accel, user }: StartContext): QemuLaunch {
  const vhost = accel.accel === 'kvm' && vhostAvailable(user);
  return {
    binary: context.settings.qemu_binary,
    name: config.name,
    uuid: config.uuid,
    generationId: config.generation_id,
    accel: accel.accel,
    vcpus: config.vcpus,
    memoryMb: config.memory_mb,
    disk: {
      file: files.disk,
      backing: context.paths.template(config.template).image,
      ...storageFeatures(files.directory),
    },
    extraDisks: extraDiskFiles(files, config),
    seed: files.seed,
    mac: config.mac,
    network:
      config.network.mode === 'user'
        ? { kind: 'user', sshPort: config.network.ssh_port, forwards: config.forwards }
        : { kind: 'tap', fd: TAP_FD, vhost },
    segments: config.segments,
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
