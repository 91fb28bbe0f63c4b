import { monotonicMs, sleep } from '../host/time.ts';
import { AgentClient } from '../qmp/agent/client.ts';
import { guestShutdown } from '../qmp/agent/shutdown.ts';
import { QmpClient } from '../qmp/client.ts';
import type { Ender } from '../store/last-run.ts';
import { readVmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { gone, processesOf } from './end-qemu.ts';
import { endVm, type Rung } from './end-vm.ts';
import type { Host } from './host.ts';
import { withVmLock } from './lock.ts';
import { recover } from './recover.ts';

export type StopRung = Rung | 'guest' | 'guest, asked again';

export interface Stopped {
  rung: StopRung;
  seconds: number;
}

/** BlockHost's admin panel gives up after 60 s; the whole ladder ends well before. */
export const STOP_LIMIT_MS = 45_000;
/** A guest that is still booting hears nothing of a button: it is pressed again until there is somebody to hear. */
const ASK_EVERY_MS = 8000;
/** A QEMU that says nothing for so long hangs. */
const REACH_MS = 10_000;
/** Between two attempts at its monitor. */
const AGAIN_MS = 500;
/** Kept for `quit` and SIGKILL at the end of the ladder, but no more than half of it. */
const LAST_RUNGS_MS = 5000;

/**
 * Powers a VM off, asking nicely first: ACPI power button, again and by the guest agent, `quit`, SIGKILL. Tells
 * which rung of the ladder was needed.
 */
export function stopVm(
  host: Host,
  name: VmName,
  limitMs = STOP_LIMIT_MS,
  by: Ender = 'stop',
): Promise<Stopped> {
  return withVmLock(host, name, 'stop', async () => {
    await recover(host, name, { ending: true });
    const files = host.paths.vm(name);
    const began = monotonicMs();
    const seconds = (): number => (monotonicMs() - began) / 1000;
    const processes = processesOf(files);
    if (processes.length === 0) {
      readVmConfig(name, files);
      await endVm(host, name, by, 0);
      return { rung: 'absent', seconds: 0 };
    }
    const graceMs = Math.max(limitMs / 2, limitMs - LAST_RUNGS_MS);
    const left = (): number => Math.max(1, graceMs - (monotonicMs() - began));
    const every = Math.min(ASK_EVERY_MS, graceMs / 2);
    const off = (): Promise<boolean> => gone(processes, Math.min(left(), every), host.signal);
    const presses = graceMs === 0 ? 0 : await pressPowerButton(host, name, left, off);
    const rung: StopRung =
      presses === 0
        ? await endVm(host, name, by, LAST_RUNGS_MS / 2)
        : presses === 1
          ? 'guest'
          : 'guest, asked again';
    if (presses > 0) await host.root.end({ name, by, how: 'tidy', wait_ms: 0 });
    return { rung, seconds: seconds() };
  });
}

/** QEMU's words for a machine that nothing but a reset brings back. */
const DEAD = new Set(['guest-panicked', 'internal-error', 'shutdown']);

/** @returns how often it was pressed until the guest was off, 0 when it never was. */
async function pressPowerButton(
  host: Host,
  name: VmName,
  left: () => number,
  /** Waits for the end, until it is time to ask again. */
  off: () => Promise<boolean>,
): Promise<number> {
  const soon = (): { deadlineMs: number } => ({ deadlineMs: Math.min(2000, left()) });
  const qmp = await reach(host, name, left, soon);
  if (qmp === undefined) return (await off()) ? 1 : 0;
  try {
    for (let press = 1; left() > 1; press++) {
      if (press === 1) host.report('asking the guest to power off (ACPI)');
      if (press === 2) host.report('asking the guest again');
      const { status } = await qmp.execute('query-status', undefined, soon());
      // Let go on once, in case there is room again; no guest shuts down whose disk cannot be written.
      if (DEAD.has(status) || (status === 'io-error' && press > 1)) break;
      // A guest that was paused cannot react before it runs again.
      if (status === 'paused' || status === 'io-error')
        await qmp.execute('cont', undefined, soon());
      await qmp.execute('system_powerdown', undefined, soon());
      // One that is still booting, or has no ACPI, may yet have an agent.
      if (press > 1) await askAgent(host, name, soon());
      if (await off()) return press;
    }
    host.report('the guest does not power off: ending QEMU');
    return 0;
  } catch (error) {
    host.signal.throwIfAborted();
    host.verbose(`QMP: ${String(error)}`);
    return (await off()) ? 1 : 0;
  } finally {
    await qmp.close();
  }
}

/** A QEMU that is busy, or serves somebody else, is tried for a while; its guest is asked meanwhile. */
async function reach(
  host: Host,
  name: VmName,
  left: () => number,
  soon: () => { deadlineMs: number },
): Promise<QmpClient | undefined> {
  const files = host.paths.vm(name);
  const until = monotonicMs() + Math.min(REACH_MS, left());
  for (let attempt = 1; monotonicMs() < until && processesOf(files).length > 0; attempt++) {
    try {
      return await QmpClient.connect(files.qmp, { ...soon(), signal: host.signal });
    } catch (error) {
      host.signal.throwIfAborted();
      host.verbose(`QMP: ${String(error)}`);
      if (attempt === 1) host.report('QEMU does not answer: asking the guest by its agent');
      await askAgent(host, name, soon());
      await sleep(Math.min(AGAIN_MS, left()), host.signal);
    }
  }
  return undefined;
}

/** Whatever comes of it, the guest was asked in another way, too. */
async function askAgent(host: Host, name: VmName, limits: { deadlineMs: number }): Promise<void> {
  const options = { ...limits, signal: host.signal };
  try {
    const agent = await AgentClient.open(host.paths.vm(name).agent, options);
    try {
      await guestShutdown(agent, 'powerdown', options);
    } finally {
      agent.close();
    }
  } catch (error) {
    host.signal.throwIfAborted();
    host.verbose(`guest agent: ${String(error)}`);
  }
}

/** Milliseconds for QEMU to flush its caches and end; a guest's power cut either way. */
const KILL_GRACE_MS = 150;

/** @returns false when it was off already. */
export async function killVm(host: Host, name: VmName): Promise<boolean> {
  const files = host.paths.vm(name);
  // Before its turn: nobody has to wait for a stop, or for a create, whose VM is to end at once.
  const first = await endVm(host, name, 'kill', KILL_GRACE_MS);
  return await withVmLock(host, name, 'kill', async () => {
    await recover(host, name, { ending: true });
    const second = await endVm(host, name, 'kill', KILL_GRACE_MS);
    const ran = first !== 'absent' || second !== 'absent';
    if (!ran) readVmConfig(name, files);
    return ran;
  });
}
