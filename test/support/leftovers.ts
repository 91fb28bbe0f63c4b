import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Paths } from '../../src/host/paths.ts';
import { poll } from '../../src/host/time.ts';

export interface ProcessSeen {
  pid: number;
  command: string;
}

/** Processes with the path on their command line; zombies have none. */
export function processesAbout(directory: string): ProcessSeen[] {
  const found: ProcessSeen[] = [];
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    let command: string;
    try {
      command = fs.readFileSync(`/proc/${entry}/cmdline`, 'latin1').replaceAll('\0', ' ');
    } catch {
      continue;
    }
    if (command.includes(`${directory}/`)) found.push({ pid: Number(entry), command });
  }
  return found;
}

/** Every file below a directory with type, mode, owner, size and time of change, one a line. */
export function listing(directory: string): string[] {
  if (!fs.existsSync(directory)) return [];
  return (fs.readdirSync(directory, { recursive: true }) as string[]).sort().map((name) => {
    const { mode, uid, size, mtimeMs, ino } = fs.lstatSync(path.join(directory, name));
    return [name, mode.toString(8), uid, size, mtimeMs, ino].join(' ');
  });
}

/** What stays when no VM is left: directories, templates, the empty store and its lock. */
const STAYS =
  /^(vms|run|run\/\.accel\.json|journal|restarts|locks|metrics|staging|trash|templates(\/.*)?|vms\.json(\.lock)?)$/;

/**
 * What there is of VMs in a state directory that should have none: processes, files, records,
 * reservations, addresses, taps in this network namespace. Processes get a moment to end.
 */
export function leftovers(paths: Paths): Promise<string[]> {
  return settled(() => [...runLeft(paths), ...filesLeft(paths.state), ...storeLeft(paths.records)]);
}

/** What there is of runs of VMs where all should be off: processes, run directories, taps. */
export function runLeftovers(paths: Paths): Promise<string[]> {
  return settled(() => [
    ...runLeft(paths),
    ...fs.readdirSync(paths.run).filter((name) => !name.startsWith('.')),
  ]);
}

async function settled(look: () => string[]): Promise<string[]> {
  let found: string[] = [];
  const none = (): true | undefined => {
    found = look();
    return found.length === 0 ? true : undefined;
  };
  await poll(none, { deadlineMs: 3000, everyMs: 10 });
  return found;
}

function runLeft(paths: Paths): string[] {
  return [
    ...processesAbout(paths.state).map(({ command }) => `process ${command.slice(0, 200)}`),
    ...fs.readdirSync('/sys/class/net').filter((name) => /^tap\d+i0$/.test(name)),
  ];
}

function filesLeft(state: string): string[] {
  if (!fs.existsSync(state)) return [];
  const names = fs.readdirSync(state, { recursive: true }) as string[];
  return names.filter((name) => !STAYS.test(name)).map((name) => `file ${name}`);
}

function storeLeft(records: string): string[] {
  if (!fs.existsSync(records)) return [];
  const database = JSON.parse(fs.readFileSync(records, 'utf8'));
  return [
    ...Object.keys(database.vms).map((name) => `record ${name}`),
    ...Object.keys(database.reservations).map((name) => `reservation ${name}`),
    ...database.allocated_ips.map((ip: string) => `address ${ip}`),
  ];
}
