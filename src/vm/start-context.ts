import type { VmFiles } from '../host/paths.ts';
import type { QmpClient } from '../qmp/client.ts';
import type { VmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { type AccelChoice, chooseAccel } from './accel.ts';
import type { ConsoleLog } from './console-log.ts';
import type { RootContext } from './host.ts';
import { assertQemu } from './qemu-binary.ts';
import type { QemuLog } from './qemu-log.ts';
import { type QemuUser, qemuUserOf } from './qemu-user.ts';
import { chooseRunner, type Runner } from './runner.ts';

/** What the steps of a start share. */
export interface StartContext {
  context: RootContext;
  name: VmName;
  files: VmFiles;
  config: VmConfig;
  user: QemuUser | undefined;
  runner: Runner;
  accel: AccelChoice;
  /** Held until QEMU and its logger have opened their ends. */
  console?: ConsoleLog;
  /** Held until QEMU answers: what it says when it does not. */
  log?: QemuLog;
  /** Open from QEMU's start until `releaseStart`. */
  qmp?: QmpClient;
}

/** Finds out how this host runs QEMU, before anything is touched. */
export async function prepareStart(
  context: RootContext,
  name: VmName,
  config: VmConfig,
): Promise<StartContext> {
  const { settings, paths, signal } = context;
  assertQemu(settings.qemu_binary);
  const user = qemuUserOf(config.qemu_uid, settings);
  const accel = await chooseAccel({
    setting: settings.accel,
    binary: settings.qemu_binary,
    cacheFile: paths.accelProbe,
    signal,
  });
  context.report(`${accel.accel.toUpperCase()}: ${accel.reason}`);
  const runner = chooseRunner(settings.runner);
  return { context, name, files: paths.vm(name), config, user, runner, accel };
}

export async function releaseStart(context: StartContext): Promise<void> {
  context.console?.release();
  delete context.console;
  context.log?.release();
  delete context.log;
  await context.qmp?.close();
  delete context.qmp;
}
