import * as fs from 'node:fs';
import { errnoOf } from '../errors.ts';
import type { Paths } from '../host/paths.ts';
import { isVmName, type VmName } from '../types.ts';
import { readVmConfig, type VmConfig } from './vm-config.ts';

export interface ConfigEntry {
  name: VmName;
  /** Undefined when vm.json is missing or damaged. */
  config: VmConfig | undefined;
}

/** Every VM that has a directory, whatever state that is in. */
export function allConfigs(paths: Paths): ConfigEntry[] {
  return namesIn(paths.vms).map((name) => {
    try {
      return { name, config: readVmConfig(name, paths.vm(name)) };
    } catch {
      return { name, config: undefined };
    }
  });
}

/** Ids of the templates that VMs of this host are made from. */
export function templatesInUse(paths: Paths): Set<string> {
  const ids = allConfigs(paths).map(({ config }) => config?.template);
  return new Set(ids.filter((id) => id !== undefined));
}

function namesIn(directory: string): VmName[] {
  try {
    return fs.readdirSync(directory).filter(isVmName);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
