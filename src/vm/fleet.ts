import * as fs from 'node:fs';
import * as os from 'node:os';
import { messageOf } from '../errors.ts';
import { monotonicMs, poll } from '../host/time.ts';
import { bridgeExists } from '../net/tap.ts';
import { allConfigs } from '../store/all-configs.ts';
import { isVmName, type VmName } from '../types.ts';
import { processesOf } from './end-qemu.ts';
import type { Host } from './host.ts';
import { startVm } from './start.ts';
import { STOP_LIMIT_MS, stopVm } from './stop.ts';

export interface FleetResult {
  done: VmName[];
  failed: { name: VmName; why: string }[];
}

/** A bridge may come up after us, however units are ordered: a cable, a slow driver. */
const BRIDGE_MS = 60_000;

/** Starts every VM whose record says that it is active, some at a time. For the host's boot. */
export async function startFleet(host: Host): Promise<FleetResult> {
  const records = await host.store.list();
  const names = records
    .filter(({ status }) => status === 'active')
    .map(({ vm_name }) => vm_name)
    .filter(isVmName)
    .filter((name) => fs.existsSync(host.paths.vm(name).directory));
  await waitForBridges(host, new Set(names));
  return await inTurns(host, names, Math.max(2, os.availableParallelism()), async (name) => {
    await startVm(host, name);
  });
}

/**
 * Powers every running VM off, many at once: they wait for their guests, not for the processor. For the host's
 * shutdown; records stay as they are, so that the next boot starts them again.
 */
export async function stopFleet(host: Host): Promise<FleetResult> {
  const end = monotonicMs() + FLEET_LIMIT_MS;
  const names = allConfigs(host.paths)
    .map(({ name }) => name)
    .filter((name) => mayRun(host, name));
  let waiting = names.length;
  return await inTurns(host, names, STOPS_AT_ONCE, async (name) => {
    const limitMs = stopLimitFor(waiting, end - monotonicMs());
    waiting -= 1;
    await stopVm(host, name, limitMs, 'stop-all');
  });
}

/** Each holds some descriptors, of which a unit has 1024. */
export const STOPS_AT_ONCE = 128;
/**
 * For all of them together. The unit's TimeoutStopSec leaves 20 s beyond it, for the verb that has a VM's lock and for
 * the end of a QEMU that nothing but SIGKILL ends.
 */
export const FLEET_LIMIT_MS = 70_000;

/** How long the next VM may take, so that those which wait behind it get as much. */
export function stopLimitFor(waiting: number, leftMs: number): number {
  const rounds = Math.ceil(waiting / STOPS_AT_ONCE);
  return Math.max(0, Math.min(STOP_LIMIT_MS, leftMs / rounds));
}

/** One that cannot be looked at is stopped like the others, and holds up none of them. */
function mayRun(host: Host, name: VmName): boolean {
  try {
    return processesOf(host.paths.vm(name)).length > 0;
  } catch {
    return true;
  }
}

async function waitForBridges(host: Host, names: ReadonlySet<string>): Promise<void> {
  const bridges = allConfigs(host.paths)
    .filter(({ name }) => names.has(name))
    .flatMap(({ config }) => (config?.network.mode === 'bridge' ? [config.network.bridge] : []));
  const missing = (): string[] => [...new Set(bridges)].filter((name) => !bridgeExists(name));
  if (missing().length === 0) return;
  host.report(`waiting for ${missing().join(', ')}`);
  await poll(() => (missing().length === 0 ? true : undefined), {
    deadlineMs: BRIDGE_MS,
    everyMs: 200,
    signal: host.signal,
  });
}

/** Works on each, `atOnce` at a time; one that fails holds up no other. */
export async function inTurns(
  host: Host,
  names: readonly VmName[],
  atOnce: number,
  work: (name: VmName) => Promise<void>,
): Promise<FleetResult> {
  const result: FleetResult = { done: [], failed: [] };
  const queue = [...names];
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      try {
        await work(name);
        result.done.push(name);
      } catch (error) {
        host.signal.throwIfAborted();
        result.failed.push({ name, why: messageOf(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, names.length) }, worker));
  return result;
}
