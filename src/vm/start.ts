import * as fs from 'node:fs';
import { ProvisionerError } from '../errors.ts';
import { ensureDirectory } from '../host/files.ts';
import type { VmFiles } from '../host/paths.ts';
import { findTemplate } from '../image/template-store.ts';
import { createTap, removeTap, TAP_FD, tapExecPrefix, vhostAvailable } from '../net/tap.ts';
import type { QmpClient } from '../qmp/client.ts';
import { forgetIncarnation, runningIncarnation, writeIncarnation } from '../store/incarnation.ts';
import { readVmConfig, type VmConfig, writeVmConfig } from '../store/vm-config.ts';
import { DEVICE, type VmName } from '../types.ts';
import { type AccelChoice, chooseAccel } from './accel.ts';
import { type QemuLaunch, qemuArgv } from './argv.ts';
import { type ConsoleLog, consoleLogPrefix, openConsoleLog } from './console-log.ts';
import { endQemu } from './end.ts';
import type { Host } from './host.ts';
import { Journal, runJournaled } from './journal.ts';
import { launchQemu, QemuEndedError } from './launch.ts';
import { withVmLock } from './lock.ts';
import { freeSshPort, isFree } from './ports.ts';
import { assertReachable, becomeUser, type QemuUser, resolveQemuUser } from './qemu-user.ts';
import { recover } from './recover.ts';
import { chooseRunner, type Runner } from './runner.ts';
import type { Step } from './steps.ts';
import { storageFeatures } from './storage.ts';

/** What the steps of a start share. */
export interface StartContext {
  host: Host;
  name: VmName;
  files: VmFiles;
  config: VmConfig;
  user: QemuUser | undefined;
  runner: Runner;
  accel: AccelChoice;
  /** Held until QEMU and its logger have opened their ends. */
  console?: ConsoleLog;
  /** Open from QEMU's start until `releaseStart`. */
  qmp?: QmpClient;
}

/** @returns false when the VM was running already. */
export function startVm(host: Host, name: VmName): Promise<boolean> {
  return withVmLock(host, name, 'start', async () => {
    await recover(host, name);
    const files = host.paths.vm(name);
    const found = readVmConfig(name, files);
    if (runningIncarnation(files) !== undefined) return false;
    const config = await withFreePort(host, files, found);
    const context = await prepareStart(host, config);
    assertDisks(context);
    try {
      await runJournaled(host, new Journal(host, name, 'start'), START_STEPS, context);
    } finally {
      await releaseStart(context);
    }
    return true;
  });
}

/** Somebody else may have taken the loopback port while the VM was off: then it gets another one. */
async function withFreePort(host: Host, files: VmFiles, config: VmConfig): Promise<VmConfig> {
  const { network } = config;
  if (network.mode !== 'user' || (await isFree(network.ssh_port))) return config;
  const port = await freeSshPort(config.vmid);
  host.report(`port ${network.ssh_port} is in use: ssh leads through 127.0.0.1:${port} now`);
  const changed: VmConfig = { ...config, network: { mode: 'user', ssh_port: port } };
  writeVmConfig(files, changed);
  return changed;
}

/** Finds out how this host runs QEMU, before anything is touched. */
export async function prepareStart(host: Host, config: VmConfig): Promise<StartContext> {
  const { settings, paths, signal } = host;
  const name = config.name as VmName;
  const user = resolveQemuUser(settings.qemu_user);
  const accel = await chooseAccel({
    setting: settings.accel,
    binary: settings.qemu_binary,
    cacheFile: paths.accelProbe,
    signal,
  });
  host.report(`${accel.accel.toUpperCase()}: ${accel.reason}`);
  const runner = chooseRunner(settings.runner);
  return { host, name, files: paths.vm(name), config, user, runner, accel };
}

export async function releaseStart(context: StartContext): Promise<void> {
  context.console?.release();
  delete context.console;
  await context.qmp?.close();
  delete context.qmp;
}

export const START_STEPS: readonly Step<StartContext>[] = [
  {
    name: 'run directory',
    do({ files, user, host }) {
      ensureDirectory(host.paths.run, 0o755);
      fs.rmSync(files.run, { recursive: true, force: true });
      ensureDirectory(files.run, 0o750, user);
      assertReachable(user, files.run);
      assertReachable(user, files.directory);
    },
    undo({ files }) {
      fs.rmSync(files.run, { recursive: true, force: true });
    },
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
    async do({ qmp, name }) {
      if (qmp === undefined) throw new ProvisionerError(`VM ${name}: no monitor to continue it by`);
      // The balloon reports what the guest uses only while it is polled (QEMU, docs/interop/virtio-balloon-stats).
      await qmp.execute('qom-set', {
        path: `/machine/peripheral/${DEVICE.balloon}`,
        property: 'guest-stats-polling-interval',
        value: 2,
      });
      await qmp.execute('cont');
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
    sockets: { qmp: files.qmp, stat: files.stat, agent: files.agent, console: files.console },
    consoleLog: files.consoleFifo,
    pidFile: files.pid,
  };
}

/** What a start needs and `create` has just made: said by name when it is missing. */
function assertDisks({ files, host, name, config }: StartContext): void {
  findTemplate(host.paths, config.template);
  for (const [what, file] of [
    ['disk', files.disk],
    ['seed', files.seed],
  ] as const) {
    if (fs.existsSync(file)) continue;
    throw new ProvisionerError(`VM ${name}: its ${what} is missing (${file})`, {
      hint: 'restore the file, or destroy the VM',
    });
  }
}
