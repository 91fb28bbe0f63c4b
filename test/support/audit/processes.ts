import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Vm, World } from './world.ts';

export interface Seen {
  pid: number;
  uid: number;
  argv: string[];
}

/** Every process with a path of this world on its command line, but for the auditor itself. */
export function processesOf({ state, run }: World): Seen[] {
  const found: Seen[] = [];
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      const argv = fs.readFileSync(`/proc/${entry}/cmdline`, 'latin1').split('\0');
      const { uid } = fs.statSync(`/proc/${entry}`);
      const words = argv.join(' ');
      if (words.includes(`${state}/`) || words.includes(`${run}/`))
        found.push({ pid: Number(entry), uid, argv });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

/** The VM whose QEMU it is, by the pid file it was told to write. */
export function qemuOf({ run }: World, { argv }: Seen): string | undefined {
  if (!path.basename(argv[0] ?? '').startsWith('qemu-system')) return undefined;
  const file = argv[argv.indexOf('-pidfile') + 1] ?? '';
  return path.dirname(path.dirname(file)) === run ? path.basename(path.dirname(file)) : undefined;
}

/** One QEMU for a VM that runs, as its user, with its loggers; nothing else, and nothing of a VM that is off. */
export function auditProcesses(world: World, vms: readonly Vm[], seen: readonly Seen[]): string[] {
  const lines: string[] = [];
  for (const { name, config, qemus } of vms) {
    if (qemus.length > 1) lines.push(`vm ${name}: ${qemus.length} QEMUs: ${qemus}`);
    const uid = seen.find(({ pid }) => pid === qemus[0])?.uid;
    if (uid !== undefined && config?.qemu_uid !== undefined && uid !== config.qemu_uid)
      lines.push(`vm ${name}: QEMU runs as ${uid}, not as ${config.qemu_uid}`);
  }
  for (const one of seen) {
    const name = qemuOf(world, one);
    if (name !== undefined && vms.some((vm) => vm.name === name)) continue;
    if (name === undefined && belongsToRun(world, vms, one)) continue;
    lines.push(
      `stray process ${one.pid}: ${one.argv.join(' ').replaceAll('\n', ' ').slice(0, 160)}`,
    );
  }
  return lines;
}

/** The console's logger and its dd, the one of QEMU's own words, of a VM that runs. */
function belongsToRun(world: World, vms: readonly Vm[], { argv }: Seen): boolean {
  const words = argv.join(' ');
  return (
    /^(sh|dd|head|cat)$/.test(path.basename(argv[0] ?? '')) &&
    vms.some(({ name, qemus }) => qemus.length > 0 && words.includes(`${world.state}/vms/${name}/`))
  );
}
