import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Vm, World } from './world.ts';

const TOP = new Set([
  'vms',
  'run',
  'journal',
  'restarts',
  'locks',
  'metrics',
  'staging',
  'trash',
  'templates',
  'vms.json',
  'vms.json.lock',
]);
const OFF =
  /^((vm|ended|backups)\.json|disk\.qcow2|extra\d+\.qcow2|seed\.iso|(console|qemu)\.log(\.1)?)$/;
const ON = /^(run\.json|console\.fifo)$/;
const SOCKETS = ['console.sock', 'probe.sock', 'qemu.pid', 'qga.sock', 'qmp.sock', 'stat.sock'];

/** Every file of the state directory has a VM, or a reason, to be there; every VM has its files. */
export function auditFiles(world: World, vms: readonly Vm[]): string[] {
  const at = (...words: string[]): string => path.join(world.state, ...words);
  const names = new Set(vms.map(({ name }) => name));
  return [
    ...list(at())
      .filter((name) => !TOP.has(name))
      .map((name) => `stray file ${name}`),
    ...list(at('journal')).map((name) => `journal ${name}: ${read(at('journal', name))}`),
    ...list(at('staging')).map((name) => `staging ${name}`),
    ...list(at('trash')).map((name) => `trash ${name}`),
    ...list(at('locks')).flatMap((name) => auditLock(at('locks', name), names)),
    ...list(at('metrics'))
      .filter((name) => !names.has(name.replace(/\.json$/, '')))
      .map((name) => `metrics ${name} of no VM`),
    ...list(at('restarts'))
      .filter((name) => !names.has(name.replace(/\.json$/, '')))
      .map((name) => `restarts ${name} of no VM`),
    ...list(world.run)
      .filter((name) => !name.startsWith('.') && !names.has(name))
      .map((name) => `run directory ${name} of no VM`),
    ...auditTemplates(at('templates')),
    ...vms.flatMap((vm) => auditVm(world, vm)),
  ];
}

function auditLock(file: string, names: ReadonlySet<string>): string[] {
  const base = path.basename(file);
  const of = /^(?:\.root-)?([^.].*)\.lock$/.exec(base)?.[1];
  if (of === undefined) return [`stray lock ${base}`];
  if (!names.has(of)) return [`lock ${base} of no VM`];
  return [];
}

function auditVm(world: World, { name, config, qemus }: Vm): string[] {
  const directory = path.join(world.state, 'vms', name);
  const lines: string[] = [];
  const say = (text: string): number => lines.push(`vm ${name}: ${text}`);
  const found = list(directory);
  const running = qemus.length > 0;
  const run = list(path.join(world.run, name));
  for (const file of found)
    if (!OFF.test(file) && !(ON.test(file) && (running || world.mayHaveEnded === true)))
      say(`stray file ${file}${running ? '' : ' while it is off'}`);
  if (running) {
    for (const file of SOCKETS) if (!run.includes(file)) say(`runs without ${file}`);
    for (const file of run) if (!SOCKETS.includes(file)) say(`stray file ${file} in run`);
    const noted = parse(read(path.join(directory, 'run.json')))?.pid;
    if (noted !== qemus[0]) say(`run.json tells of pid ${noted}, QEMU is ${qemus}`);
  } else if (fs.existsSync(path.join(world.run, name)) && world.mayHaveEnded !== true) {
    say(`has a run directory (${run}) and is off`);
  }
  if (config === undefined) say('vm.json is missing or damaged');
  if (config === undefined) return lines;
  const disks = ['disk.qcow2', ...(config.extra_disks ?? []).map((_, i) => `extra${i + 1}.qcow2`)];
  for (const disk of disks) {
    const stat = fs.statSync(path.join(directory, disk), { throwIfNoEntry: false });
    if (stat === undefined) say(`${disk} is LOST`);
    else if (config.qemu_uid !== undefined && stat.uid !== config.qemu_uid)
      say(`${disk} belongs to ${stat.uid}, not to ${config.qemu_uid}`);
  }
  for (const disk of found.filter((file) => file.endsWith('.qcow2')))
    if (!disks.includes(disk) && OFF.test(disk)) say(`stray disk ${disk}`);
  if (!found.includes('seed.iso')) say('seed.iso is LOST');
  const image = path.join(world.state, 'templates', config.template, 'disk.qcow2');
  if (!fs.existsSync(image)) say(`its template ${config.template} is LOST`);
  return lines;
}

function auditTemplates(directory: string): string[] {
  return list(directory).flatMap((name) => {
    if (name === 'current')
      return fs.existsSync(path.join(directory, name)) ? [] : ['template current leads nowhere'];
    const content = list(path.join(directory, name)).join(' ');
    return content === 'disk.qcow2 seen.json template.json'
      ? []
      : [`template ${name} holds: ${content}`];
  });
}

export function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory).sort();
  } catch {
    return [];
  }
}

export function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Undefined when it is no JSON object. */
export function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
