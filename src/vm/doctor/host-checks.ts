import * as fs from 'node:fs';
import * as path from 'node:path';
import { errnoOf, messageOf } from '../../errors.ts';
import { run } from '../../host/exec.ts';
import { checkImage, readImage } from '../../image/template-check.ts';
import { listTemplates, type TemplateEntry } from '../../image/template-store.ts';
import { bridgeExists } from '../../net/tap.ts';
import { allConfigs, templatesInUse } from '../../store/all-configs.ts';
import { isSystemdHost } from '../../systemd/scope.ts';
import { MiB } from '../../types.ts';
import { chooseAccel } from '../accel.ts';
import { describeChange } from '../assert-disks.ts';
import type { RootContext } from '../host.ts';
import type { Finding } from './finding.ts';

type Fault = Omit<Finding, 'subject'>;

/** What every VM needs of its host. */
export async function checkHost(context: RootContext, deep: boolean): Promise<Finding[]> {
  const bridges = bridgesOf(context);
  const faults = [
    ...(await missingPrograms(context, bridges.length > 0)),
    ...(await accelerator(context)),
    ...bridges.filter((name) => !bridgeExists(name)).map(noBridge),
    ...place(context),
  ];
  return [
    ...faults.map((fault) => ({ ...fault, subject: 'host' })),
    ...space(context),
    ...(await templates(context, deep)),
  ];
}

function bridgesOf({ settings, paths }: RootContext): string[] {
  const used = allConfigs(paths).flatMap(({ config }) =>
    config?.network.mode === 'bridge' ? [config.network.bridge] : [],
  );
  if (settings.network === 'bridge' && settings.bridge !== undefined) used.push(settings.bridge);
  return [...new Set(used)];
}

async function missingPrograms(
  { settings, signal }: RootContext,
  bridged: boolean,
): Promise<Fault[]> {
  const wanted: [string, string, string][] = [
    [settings.qemu_binary, '--version', 'qemu-system-x86'],
    ['qemu-img', '--version', 'qemu-utils'],
    ...(bridged
      ? ([
          ['nft', '--version', 'nftables'],
          ['tc', '-V', 'iproute2'],
          ['ip', '-V', 'iproute2'],
        ] as [string, string, string][])
      : []),
  ];
  const tried = wanted.map(async ([program, option, debian]): Promise<Fault[]> => {
    try {
      await run(program, [option], { timeoutMs: 5000, signal });
      return [];
    } catch (error) {
      signal.throwIfAborted();
      const remedy = `apt-get install ${debian}`;
      return [{ severity: 'error', code: 'program', problem: messageOf(error), remedy }];
    }
  });
  return (await Promise.all(tried)).flat();
}

async function accelerator({ settings, paths, signal }: RootContext): Promise<Fault[]> {
  if (settings.accel === 'tcg') return [];
  try {
    const { accel, reason } = await chooseAccel({
      setting: settings.accel,
      binary: settings.qemu_binary,
      cacheFile: paths.accelProbe,
      signal,
    });
    if (accel === 'kvm') return [];
    const remedy = 'enable virtualization in the firmware, or set accel: tcg if that is meant';
    return [{ severity: 'warning', code: 'no-kvm', problem: reason, remedy }];
  } catch (error) {
    signal.throwIfAborted();
    const remedy = 'enable virtualization, or set accel to auto';
    return [{ severity: 'error', code: 'no-kvm', problem: messageOf(error), remedy }];
  }
}

function noBridge(name: string): Fault {
  const problem = `the bridge ${name} does not exist: VMs on it cannot start`;
  const remedy = `make it, or name another one in the settings`;
  return { severity: 'error', code: 'no-bridge', problem, remedy };
}

/** Where VMs run: a scope each, if systemd and cgroup v2 are there and we may use them. */
function place({ settings, role }: RootContext): Fault[] {
  const system = role.kind !== 'own' || process.getuid?.() === 0;
  if (settings.runner === 'direct' || !system) return [];
  const faults: Fault[] = [];
  if (!isSystemdHost()) {
    faults.push({
      severity: settings.runner === 'systemd' ? 'error' : 'note',
      code: 'no-systemd',
      problem: 'systemd does not run this host: VMs are plain processes, CPU limits do not hold',
      remedy: 'nothing, if that is meant (runner: direct says so)',
    });
  } else if (!fs.existsSync('/sys/fs/cgroup/cgroup.controllers')) {
    faults.push({
      severity: 'warning',
      code: 'no-cgroup2',
      problem: 'the host has no unified cgroup hierarchy: CPU limits do not hold',
      remedy: 'boot it with systemd.unified_cgroup_hierarchy=1',
    });
  }
  return faults;
}

const [FULL, TIGHT] = [256 * MiB, 0.05];

function space({ paths }: RootContext): Finding[] {
  const found = new Map<number, Finding>();
  for (const directory of [paths.state, paths.front, paths.run]) {
    if (!fs.existsSync(directory)) continue;
    const { bavail, blocks, bsize, ffree, files } = fs.statfsSync(directory);
    const free = bavail * bsize;
    const device = fs.statSync(directory).dev;
    const remedy = 'free some space there: a guest whose disk cannot grow is paused';
    const full = free < FULL && directory !== paths.run;
    const problem = `${Math.floor(free / MiB)} MB are free in ${directory}`;
    const base = { subject: directory, code: 'space', problem, remedy };
    if (files > 0 && ffree === 0)
      found.set(device, { ...base, severity: 'error', problem: `${directory} has no inode left` });
    else if (full) found.set(device, { ...base, severity: 'error' });
    else if (bavail < blocks * TIGHT) found.set(device, { ...base, severity: 'warning' });
  }
  return [...found.values()];
}

async function templates(context: RootContext, deep: boolean): Promise<Finding[]> {
  const { paths } = context;
  const entries = listTemplates(paths);
  const used = templatesInUse(paths);
  const remedy = 'run blockhost-build-template';
  const found: Finding[] = [];
  if (!entries.some(({ current }) => current)) {
    const problem = 'no template is current: create needs --template or --image';
    found.push({ severity: 'warning', code: 'no-template', subject: 'host', problem, remedy });
  }
  for (const entry of entries) {
    const damage = entry.damage ?? (await changed(context, entry, deep));
    if (damage === undefined) continue;
    const serious = used.has(entry.id) || entry.current;
    found.push({
      severity: serious ? 'error' : 'warning',
      code: 'template',
      subject: entry.id,
      problem: damage,
      remedy: used.has(entry.id)
        ? 'stop its VMs, and bring the file back as it was from a backup'
        : remedy,
    });
  }
  return found;
}

/** A template is never written to again: where nobody has read it since, a later time of change says that somebody did. */
async function changed(
  { paths, signal }: RootContext,
  { id, template }: TemplateEntry,
  deep: boolean,
): Promise<string | undefined> {
  if (template === undefined) return undefined;
  const { image, manifest } = template;
  try {
    const { mtimeMs, size } = fs.statSync(image);
    if (size === 0) return `template ${id} is empty`;
    const files = paths.template(id);
    const check = deep ? await readImage(files, manifest, signal) : checkImage(files, manifest);
    if (check.verdict === 'unread' && mtimeMs > Date.parse(manifest.created) + TOLERANCE_MS)
      return `template ${id} was written to after it was published (${path.basename(image)})`;
    return describeChange(template, check);
  } catch (error) {
    signal.throwIfAborted();
    // Who may not read it learns nothing of its content.
    return errnoOf(error) === 'EACCES' ? undefined : `template ${id}: ${messageOf(error)}`;
  }
}

const TOLERANCE_MS = 60_000;
