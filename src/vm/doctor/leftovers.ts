import * as fs from 'node:fs';
import * as path from 'node:path';
import { removeStale, staleStaging } from '../../image/staging.ts';
import { namesOfQemus } from '../../store/incarnation.ts';
import { isVmName, type VmName } from '../../types.ts';
import type { Host } from '../host.ts';
import { hasJournal } from '../journal.ts';
import { withVmLock } from '../lock.ts';
import type { Leftover } from '../root-side.ts';
import type { Finding } from './finding.ts';

const WORDS: Record<Leftover['kind'], string> = {
  trash: 'what was being removed when a command died',
  temporary: 'a file that a command was writing when it died',
  filter: 'the network filter of a VM that is gone',
  shaper: 'the bandwidth limit of a VM that is gone',
  scope: 'it is off, but systemd has a scope of it',
  unguarded:
    'it runs, but its network filter is not all in force: another program has changed nftables',
  unshaped:
    'it runs, but its bandwidth is not limited as it should be: another program has changed tc',
};

const REMEDY = 'run doctor --repair';

/** What is left of commands and VMs that are gone, and belongs to none that is there. */
export async function checkLeftovers(host: Host, known: ReadonlySet<string>): Promise<Finding[]> {
  const { left, troubles } = await host.root.care({ mend: false });
  const base = { severity: 'warning', code: 'leftover', remedy: REMEDY } as const;
  return [
    ...left.map(({ kind, name }): Finding => {
      return {
        ...base,
        severity: kind === 'unguarded' ? 'error' : 'warning',
        code: kind,
        subject: name,
        problem: WORDS[kind],
        mend: once(host, kind, name),
      };
    }),
    ...troubles.map((problem): Finding => {
      const remedy = 'see to it that the program works, then look again';
      return { ...base, code: 'not-looked', subject: 'host', problem, remedy };
    }),
    ...staging(host),
    ...samples(host, known),
    ...strays(host, known),
    ...(await addresses(host, known)),
  ];
}

/** All of them go with the first; each is judged by itself. */
function once(host: Host, kind: Leftover['kind'], name: string): () => Promise<void> {
  return async () => {
    await host.root.care({ mend: true });
    const { left } = await host.root.care({ mend: false });
    if (left.some((other) => other.kind === kind && other.name === name))
      throw new Error('it is still there');
  };
}

function staging({ paths }: Host): Finding[] {
  return staleStaging(paths).map((name) => ({
    ...{ severity: 'warning', code: 'staging', subject: name, remedy: REMEDY },
    problem: `a template that was being made when its command died (${paths.staging})`,
    mend: () => removeStale(paths),
  }));
}

function samples({ paths }: Host, known: ReadonlySet<string>): Finding[] {
  const directory = path.join(paths.front, 'metrics');
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory)
    .map((file) => file.replace(/\.json$/, ''))
    .filter((name) => isVmName(name) && !known.has(name))
    .filter(isVmName)
    .map((name) => ({
      ...{ severity: 'warning', code: 'sample', subject: name, remedy: REMEDY },
      problem: 'figures of a VM that is gone',
      mend: async () => fs.rmSync(paths.metricsSample(name), { force: true }),
    }));
}

/** Whoever can write to /proc/self/cmdline can look like one: who it is must be judged before it is ended. */
function strays({ paths }: Host, known: ReadonlySet<string>): Finding[] {
  return [...namesOfQemus(paths.run)]
    .filter(([name]) => isVmName(name) && !known.has(name))
    .map(([subject, pid]) => ({
      ...{ severity: 'error', code: 'stray-qemu', subject },
      problem: `a QEMU of that name runs (pid ${pid}), and nothing else of the VM is there`,
      remedy: `look at it with ps -fp ${pid}, then end it with kill ${pid}`,
    }));
}

async function addresses(host: Host, known: ReadonlySet<string>): Promise<Finding[]> {
  const held = (await host.store.reserved()).filter((name) => isVmName(name) && !known.has(name));
  return held.filter(isVmName).map((name) => ({
    ...{ severity: 'warning', code: 'reserved', subject: name, remedy: REMEDY },
    problem: 'a number and addresses are kept for it, but there is no such VM',
    mend: () => giveBack(host, name),
  }));
}

/** Unless a create has begun meanwhile, whose it is then. */
function giveBack(host: Host, name: VmName): Promise<void> {
  return withVmLock(
    host,
    name,
    'doctor',
    async () => {
      if (!hasJournal(host, name)) await host.store.release(name);
    },
    0,
  );
}
