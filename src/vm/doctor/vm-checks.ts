import * as fs from 'node:fs';
import { errnoOf, messageOf, NotFoundError, ProvisionerError } from '../../errors.ts';
import { isLockHeld } from '../../host/lock-held.ts';
import type { VmFiles } from '../../host/paths.ts';
import { findTemplate } from '../../image/template-store.ts';
import type { VmRecord } from '../../store/record.ts';
import { readVmConfig, type VmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { wrongLink } from '../assert-disks.ts';
import { isAbandoned } from '../backup/abandoned.ts';
import { processesOf } from '../end-qemu.ts';
import { extraDiskPaths } from '../extra-disks.ts';
import type { Host } from '../host.ts';
import { readJournal } from '../journal.ts';
import { finish } from '../unfinished.ts';
import { type Finding, sayer } from './finding.ts';
import { leftoverRun, runFindings } from './run-checks.ts';

/** What is wrong with one VM, whatever of it is there. A VM that a verb works on is left to that verb. */
export async function checkVm(
  host: Host,
  name: VmName,
  record: VmRecord | undefined,
): Promise<Finding[]> {
  const files = host.paths.vm(name);
  const say = sayer(name);
  if (await isLockHeld(host.paths.lock(name)))
    return [say('note', 'busy', 'a command works on it', 'look again when that has ended')];
  const journal = await unfinishedVerb(host, name);
  if (journal !== undefined) return [journal];
  const lives = record !== undefined && record.status !== 'destroyed';
  if (!fs.existsSync(files.directory)) return withoutFiles(host, name, lives);
  if (!lives) {
    const problem =
      record === undefined ? 'it has no record' : 'its record says that it is destroyed';
    const remedy = `bring the record back from a backup, or run destroy ${name}`;
    return [say('error', 'no-record', `${problem}, but its files are there`, remedy)];
  }
  let config: VmConfig;
  try {
    config = readVmConfig(name, files);
  } catch (error) {
    const what = error instanceof NotFoundError ? `${files.config} is missing` : messageOf(error);
    return [say('error', 'config', what, 'bring the file back from a backup, or destroy the VM')];
  }
  return [
    ...diskFindings(host, name, files, config),
    ...addressFindings(name, record, config),
    ...(await runFindings(host, name, record, config)),
  ];
}

async function unfinishedVerb(host: Host, name: VmName): Promise<Finding | undefined> {
  const say = sayer(name);
  try {
    const verb =
      readJournal(host, name)?.verb ?? ((await isAbandoned(host, name)) ? 'backup' : undefined);
    if (verb === undefined) return undefined;
    const mend = async (): Promise<void> => {
      if (!(await finish(host, name)))
        throw new ProvisionerError(
          `VM ${name} is in use by another command, or cannot be mended now`,
        );
    };
    const problem = `a ${verb} of it died half-way`;
    return { ...say('warning', 'unfinished', problem, 'its next verb cleans up'), mend };
  } catch (error) {
    return say('error', 'journal', messageOf(error), `run destroy ${name}, or remove the file`);
  }
}

/** A record, or a run, of which there is no directory. */
function withoutFiles(host: Host, name: VmName, lives: boolean): Finding[] {
  const say = sayer(name);
  const [alive] = processesOf(host.paths.vm(name));
  if (alive !== undefined) {
    const problem = `its QEMU runs (pid ${alive.pid}), but it has no files`;
    return [say('error', 'stray-qemu', problem, `run kill ${name}, or destroy ${name}`)];
  }
  if (lives) {
    const remedy = `bring ${host.paths.vm(name).directory} back from a backup, or run destroy ${name}`;
    return [say('error', 'no-files', 'it has a record, but no files', remedy)];
  }
  if (!fs.existsSync(host.paths.vm(name).run)) return [];
  return [leftoverRun(host, name)];
}

function diskFindings(host: Host, name: VmName, files: VmFiles, config: VmConfig): Finding[] {
  const say = sayer(name);
  const found = [files.disk, files.seed, ...extraDiskPaths(files, config)]
    .filter((file) => !fs.existsSync(file))
    .map((file) => say('error', 'disk-missing', `${file} is missing`, RESTORE));
  try {
    findTemplate(host.paths, config.template);
  } catch (error) {
    found.push(say('error', 'backing-missing', messageOf(error), RESTORE));
  }
  const link = fs.existsSync(files.disk) ? linkFault(files, config) : undefined;
  if (link !== undefined) found.push(say('error', 'backing', link, RESTORE));
  return found;
}

/** Of a disk that one may read. */
function linkFault(files: VmFiles, config: VmConfig): string | undefined {
  try {
    return wrongLink(files, config);
  } catch (error) {
    return errnoOf(error) === 'EACCES' ? undefined : messageOf(error);
  }
}

const RESTORE = 'bring it back from a backup; without it the VM cannot start';

function addressFindings(name: VmName, record: VmRecord, { network }: VmConfig): Finding[] {
  if (network.mode !== 'bridge') return [];
  return (
    [
      [record.ip_address, network.ipv4],
      [record.ipv6_address, network.ipv6],
    ] as const
  )
    .filter(([noted, used]) => noted !== used && used !== '')
    .map(([noted, used]) =>
      sayer(name)(
        'warning',
        'address',
        `it has the address ${used}, but its record says ${noted === '' ? 'none' : noted}`,
        'correct the record: another VM may be given the address',
      ),
    );
}
