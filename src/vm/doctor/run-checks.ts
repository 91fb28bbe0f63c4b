import * as fs from 'node:fs';
import { errnoOf, messageOf } from '../../errors.ts';
import type { VmFiles } from '../../host/paths.ts';
import { bridgeExists, tapExists } from '../../net/tap.ts';
import { ElsewhereError, runningIncarnation } from '../../store/incarnation.ts';
import type { VmRecord } from '../../store/record.ts';
import type { VmConfig } from '../../store/vm-config.ts';
import type { VmName } from '../../types.ts';
import { processesOf } from '../end-qemu.ts';
import type { Host } from '../host.ts';
import { withVmLock } from '../lock.ts';
import { isBeginning, type Observation, observe, observeAnew } from '../observe.ts';
import { type Finding, sayer } from './finding.ts';
import { limitFindings } from './limit-checks.ts';

/** What is wrong with a VM's run, or with what one has left. */
export async function runFindings(
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

export function leftoverRun(host: Host, name: VmName): Finding {
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
