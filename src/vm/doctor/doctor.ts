import * as fs from 'node:fs';
import { errnoOf, messageOf } from '../../errors.ts';
import { allConfigs } from '../../store/all-configs.ts';
import type { VmRecord } from '../../store/record.ts';
import { isVmName } from '../../types.ts';
import type { Host } from '../host.ts';
import { unfinished } from '../unfinished.ts';
import { byHarm, type Finding, type Reported } from './finding.ts';
import { checkHost } from './host-checks.ts';
import { checkLeftovers } from './leftovers.ts';
import { checkVm } from './vm-checks.ts';

export interface DoctorOptions {
  repair: boolean;
  /** Also read every template through. */
  deep: boolean;
}

/** All that is wrong, the worst first. A check that fails is a finding itself and holds up no other. */
export async function examine(host: Host, options: DoctorOptions): Promise<Reported[]> {
  const found = (await findings(host, options.deep)).sort(byHarm);
  const reported: Reported[] = [];
  for (const finding of found) reported.push(await report(host, finding, options.repair));
  return reported;
}

async function findings(host: Host, deep: boolean): Promise<Finding[]> {
  const found: Finding[] = [];
  const look = async (subject: string, check: () => Promise<Finding[]>): Promise<void> => {
    try {
      found.push(...(await check()));
    } catch (error) {
      host.signal.throwIfAborted();
      const problem = `could not be examined: ${messageOf(error)}`;
      const remedy = 'mend that first, then look again';
      found.push({ severity: 'error', code: 'not-examined', subject, problem, remedy });
    }
  };
  let records: VmRecord[] | undefined;
  await look('host', () => checkHost(host, deep));
  await look('records', async () => {
    records = await host.store.list();
    return [];
  });
  // Without records nothing can be said of who should be there, and nothing may be taken away.
  if (records === undefined) return found;
  const names = await namesOf(host, records);
  const byName = new Map(records.map((record) => [record.vm_name, record]));
  for (const name of [...names].filter(isVmName).sort())
    await look(name, () => checkVm(host, name, byName.get(name)));
  await look('leftovers', () => checkLeftovers(host, names));
  return found;
}

/** Everything that has a trace somewhere. */
async function namesOf(host: Host, records: readonly VmRecord[]): Promise<Set<string>> {
  return new Set([
    ...records.map(({ vm_name }) => vm_name),
    ...allConfigs(host.paths).map(({ name }) => name),
    ...(await unfinished(host)),
    ...directoriesIn(host.paths.run),
  ]);
}

function directoriesIn(directory: string): string[] {
  try {
    return fs
      .readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && isVmName(entry.name))
      .map(({ name }) => name);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function report(host: Host, finding: Finding, repair: boolean): Promise<Reported> {
  const { mend, ...rest } = finding;
  if (mend === undefined) return { ...rest, repair: 'no', why: null };
  if (!repair) return { ...rest, repair: 'yes', why: null };
  try {
    await mend();
    return { ...rest, repair: 'done', why: null };
  } catch (error) {
    host.signal.throwIfAborted();
    return { ...rest, repair: 'failed', why: messageOf(error) };
  }
}
