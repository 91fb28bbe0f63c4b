import * as path from 'node:path';
import { poll } from '../../../src/host/time.ts';
import { auditFiles, list, parse, read } from './files.ts';
import { auditKernel, auditScopes } from './kernel.ts';
import { auditMonitor } from './monitor.ts';
import { auditProcesses, processesOf, qemuOf } from './processes.ts';
import { auditRecords } from './records.ts';
import { auditTemporary } from './temporary-files.ts';
import type { Config, Vm, World } from './world.ts';

/**
 * Compares everything that tells of VMs: records, files, processes, network devices and rules, scopes, QEMU itself.
 * @returns a line for every difference; none when no verb is under way and nothing is lost or left.
 */
export async function audit(world: World): Promise<string[]> {
  let lines: string[] = [];
  const clean = async (): Promise<true | undefined> => {
    lines = await look(world);
    return lines.length === 0 ? true : undefined;
  };
  // What ends by itself, as a logger after its QEMU, gets its moment.
  await poll(clean, { deadlineMs: SETTLES_MS, everyMs: 50 });
  return lines;
}

const SETTLES_MS = 3000;

async function look(world: World): Promise<string[]> {
  const seen = processesOf(world);
  const vms = list(path.join(world.state, 'vms')).map((name): Vm => {
    const text = read(path.join(world.state, 'vms', name, 'vm.json'));
    const qemus = seen.filter((one) => qemuOf(world, one) === name).map(({ pid }) => pid);
    return { name, config: parse(text) as Config | undefined, qemus };
  });
  const found = await Promise.all([
    auditRecords(world, vms),
    auditFiles(world, vms),
    auditTemporary(world),
    auditProcesses(world, vms, seen),
    auditKernel(world, vms),
    auditScopes(vms),
    ...vms.map((vm) => auditMonitor(world, vm)),
  ]);
  return [...new Set(found.flat())];
}
