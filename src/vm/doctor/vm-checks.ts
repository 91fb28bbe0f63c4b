import * as fs from 'node:fs';
import { errnoOf, messageOf, NotFoundError, ProvisionerError } from '../../errors.ts';
import { isLockHeld } from '../../host/lock-held.ts';
import type { VmFiles } from '../../host/paths.ts';
import { findTemplate } from '../../image/template-store.ts';
import { bridgeExists, tapExists } from '../../net/tap.ts';
import { ElsewhereError, runningIncarnation } from '../../store/incarnation.ts';
import type { VmRecord } from '../../store/record.ts';
import { readVmConfig, type VmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { wrongLink } from '../assert-disks.ts';
import { isAbandoned } from '../backup/abandoned.ts';
import { processesOf } from '../end-qemu.ts';
import { extraDiskPaths } from '../extra-disks.ts';
import type { Host } from '../host.ts';
import { readJournal } from '../journal.ts';
import { withVmLock } from '../lock.ts';
import { isBeginning, type Observation, observe, observeAnew } from '../observe.ts';
import { finish } from '../unfinished.ts';
import type { Finding, Severity } from './finding.ts';
import { limitFindings } from './limit-checks.ts';

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

async function runFindings(
  host: Host,
  name: VmName,
  record: VmRecord,
  config: VmConfig,
): Promise<Finding[]> {
  const files = host.paths.vm(name);
  const say = sayer(name);
  try {
    const noted = runningIncarnation(files);
    const [stranger] = noted === undefined ? processesOf(files) : [];
    if (stranger !== undefined) {
      const problem = `QEMU runs (pid ${stranger.pid}), but ${files.process} does not tell of it`;
      return [say('error', 'stray-qemu', problem, `run kill ${name}, then start ${name}`)];
    }
    if (noted === undefined)
      return runTraces(files, config).length > 0 ? [leftoverRun(host, name)] : [];
  } catch (error) {
    if (errnoOf(error) === 'EACCES') throw error;
    if (error instanceof ElsewhereError)
      return [say('note', 'elsewhere', 'it runs where its process is not seen', 'look there')];
    return [say('error', 'run-file', messageOf(error), `run kill ${name}, then start ${name}`)];
  }
  const found = await stateFindings(host, name);
  if (!found.some(({ code }) => code === 'silent' || code === 'monitor'))
    found.push(...(await limitFindings(host, name, config)));
  const sockets = [files.qmp, files.stat, files.probe, files.agent, files.console];
  const missing = sockets.filter((file) => !fs.existsSync(file));
  // What cannot be had again while it runs: QEMU listens on what has no name any more.
  if (missing.length > 0)
    found.push(say('error', 'sockets', `${missing.join(', ')} missing`, restart(name)));
  const { network } = config;
  if (network.mode === 'bridge' && !(tapExists(network.tap) && bridgeExists(network.bridge)))
    found.push(say('error', 'tap', `its network card ${network.tap} is gone`, restart(name)));
  if (record.status === 'suspended') {
    const remedy = `run resume ${name} if it is paid for, else stop ${name}`;
    found.push(say('warning', 'suspended', 'it runs, but its record is suspended', remedy));
  }
  return found;
}

async function stateFindings(host: Host, name: VmName): Promise<Finding[]> {
  const say = sayer(name);
  const seen = await observe(host, name);
  if (seen.state !== 'unknown') return seenFindings(host, name, seen);
  const anew = await observeAnew(host, name);
  if (anew.state === 'unknown') {
    const remedy = `run explain ${name}; only if it stays so, run kill ${name}`;
    return [say('error', 'silent', 'QEMU is alive but does not answer', remedy)];
  }
  const { probe } = host.paths.vm(name);
  const held = `QEMU answers, but not at ${probe}: another program holds it, and status knows nothing`;
  const remedy = `wait until it lets go; ss -xp src ${probe} lists its clients`;
  return [say('warning', 'monitor', held, remedy), ...seenFindings(host, name, anew)];
}

function seenFindings(
  host: Host,
  name: VmName,
  { state, qemuStatus = '' }: Observation,
): Finding[] {
  const say = sayer(name);
  if (qemuStatus === 'io-error')
    return [
      say(
        'error',
        'io-error',
        'it is paused because its disk could not be written',
        `free some space in ${host.paths.state}, then start ${name}: nothing is lost`,
      ),
    ];
  if (['guest-panicked', 'internal-error', 'shutdown'].includes(qemuStatus))
    return [say('error', 'dead', `QEMU says ${qemuStatus}`, restart(name))];
  if (isBeginning(qemuStatus))
    return [say('error', 'never-ran', 'its QEMU waits for a start that died', `run start ${name}`)];
  return state === 'paused'
    ? [say('note', 'paused', 'it is paused', `start ${name} lets it go on`)]
    : [];
}

function restart(name: VmName): string {
  return `run kill ${name}, then start ${name}`;
}

/** What a run that has ended left behind. */
function runTraces(files: VmFiles, { network }: VmConfig): string[] {
  const traces = [files.run, files.process, files.consoleFifo, files.qemuFifo];
  const left = traces.filter((file) => fs.existsSync(file));
  return network.mode === 'bridge' && tapExists(network.tap) ? [...left, network.tap] : left;
}

function leftoverRun(host: Host, name: VmName): Finding {
  const tidy = (): Promise<unknown> =>
    withVmLock(
      host,
      name,
      'doctor',
      () => host.root.end({ name, by: 'doctor', how: 'tidy', wait_ms: 0 }),
      0,
    );
  return {
    ...sayer(name)(
      'warning',
      'run-left',
      'it is off, but its run left traces',
      'run doctor --repair',
    ),
    mend: tidy,
  };
}

function sayer(subject: string) {
  return (severity: Severity, code: string, problem: string, remedy: string): Finding => ({
    ...{ severity, code, subject, problem, remedy },
  });
}
