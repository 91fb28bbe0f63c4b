import * as fs from 'node:fs';
import type { Paths } from '../host/paths.ts';
import { brokenGuards } from '../net/guard/install.ts';
import { allConfigs } from '../store/all-configs.ts';
import { runningIncarnation } from '../store/incarnation.ts';
import type { VmConfig } from '../store/vm-config.ts';
import { isStrangersScope, scopedNames } from '../systemd/scope.ts';
import type { VmName } from '../types.ts';
import { processesOf } from './end-qemu.ts';
import type { RootContext } from './host.ts';
import { bandwidthOf, networkLimits } from './limits/network.ts';
import { chooseRunner } from './runner.ts';

type Bridged = VmConfig & { network: { mode: 'bridge' } };

/** VMs that run although something of their network filter is missing: another program has reloaded nftables. */
export async function unguarded({ paths }: RootContext): Promise<Bridged[]> {
  const running = runningOnBridge(paths);
  const broken = await brokenGuards(running.map(({ network, mac }) => ({ ...network, mac })));
  const taps = new Set(broken.map(({ tap }) => tap));
  return running.filter(({ network }) => taps.has(network.tap));
}

/** VMs that run although their bandwidth is not limited as it should be. */
export async function unshaped({ paths }: RootContext): Promise<Bridged[]> {
  const found: Bridged[] = [];
  for (const config of runningOnBridge(paths)) {
    const { limits = {}, network } = config;
    if (limits.bandwidth_in === undefined && limits.bandwidth_out === undefined) continue;
    const now = await bandwidthOf(network.tap, limits);
    if (networkLimits.keys.some((key) => limits[key] !== now[key])) found.push(config);
  }
  return found;
}

/** VMs of ours that are off, and of which there is a scope nonetheless. One that starts or ends has a run. */
export function leftScopes({ paths, settings }: RootContext): VmName[] {
  if (chooseRunner(settings.runner).kind !== 'systemd') return [];
  return scopedNames().filter((name) => {
    const files = paths.vm(name);
    const ours = fs.existsSync(files.directory) && !isStrangersScope(name, files.directory);
    return ours && !fs.existsSync(files.run) && processesOf(files).length === 0;
  });
}

function runningOnBridge(paths: Paths): Bridged[] {
  return allConfigs(paths)
    .filter(({ name }) => isUp(paths, name))
    .map(({ config }) => config)
    .filter((config): config is Bridged => config?.network.mode === 'bridge');
}

/** A damaged note is told by the checks of its VM. */
function isUp(paths: Paths, name: VmName): boolean {
  try {
    return runningIncarnation(paths.vm(name)) !== undefined;
  } catch {
    return false;
  }
}
