import * as fs from 'node:fs';
import { lockFile } from '../host/lock.ts';
import { removeTree } from '../host/remove-tree.ts';
import { allConfigs } from '../store/all-configs.ts';
import { isVmName } from '../types.ts';
import type { CreateSpec } from './create-spec.ts';
import type { Host } from './host.ts';
import { Journal, readJournal } from './journal.ts';
import { setAside } from './remove.ts';
import type { ExtraDisk } from './root-side.ts';
import { type ChosenTemplate, takeDisks, takeTemplate } from './template-choice.ts';

/** What a VM's disks are made from. */
export interface Sources {
  template: ChosenTemplate;
  disks: ExtraDisk[];
}

/**
 * Takes what a VM's disks are made from and begins the journal of its create, which names it: until there is a vm.json
 * that does so, the journal keeps others from taking a template away. One that is taken away before is taken anew.
 */
export async function claimSources(
  host: Host,
  spec: CreateSpec,
): Promise<Sources & { journal: Journal }> {
  for (;;) {
    const sources = await takeSources(host, spec);
    const templates = idsOf(sources);
    const journal = new Journal(host, spec.name, { verb: 'create', templates });
    const isClaimed = await inClaimsTurn(host, `create of ${spec.name}`, () => {
      if (!templates.every((id) => fs.existsSync(host.paths.template(id).directory))) return false;
      journal.begin();
      return true;
    });
    if (isClaimed) return { ...sources, journal };
    host.signal.throwIfAborted();
  }
}

async function takeSources(host: Host, spec: CreateSpec): Promise<Sources> {
  const template = await takeTemplate(host, spec);
  try {
    return { template, disks: await takeDisks(host, spec) };
  } catch (error) {
    await returnTemplate(host, template);
    throw error;
  }
}

function idsOf({ template, disks }: Sources): string[] {
  return [template.id, ...disks.flatMap((disk) => ('template' in disk ? [disk.template] : []))];
}

/**
 * Removes what `takeTemplate` brought, unless another VM has taken to it meanwhile; its own create has ended its journal.
 * What cannot be removed stays: an image in the store harms nobody.
 */
export async function returnTemplate(host: Host, { id, fresh }: ChosenTemplate): Promise<void> {
  // Elsewhere the store is root's, and keeps it for the next VM of the same image.
  if (!fresh || host.role.kind !== 'own') return;
  // A signal may be why the create failed: it does not end this.
  const patient = { ...host, signal: new AbortController().signal };
  try {
    const aside = await inClaimsTurn(patient, `return of ${id}`, async () =>
      mayBeUsed(host, id)
        ? undefined
        : await setAside(host.paths.template(id).directory, host.paths.trash),
    );
    if (aside !== undefined) await removeTree(aside);
  } catch (error) {
    host.verbose(`template ${id} stays in the store: ${String(error)}`);
  }
}

/** Templates are claimed and taken away in turns, each of which takes a moment. */
async function inClaimsTurn<T>(
  { paths, signal }: Host,
  holder: string,
  work: () => T | Promise<T>,
): Promise<T> {
  const options = { what: 'the template store', holder, waitMs: TURN_MS, signal };
  const lock = await lockFile(paths.claimsLock, options);
  try {
    return await work();
  } finally {
    lock.remove();
  }
}

const TURN_MS = 10_000;

/** One whose vm.json or journal is damaged, or of an earlier version, may be made from any. */
function mayBeUsed(host: Host, id: string): boolean {
  return (
    allConfigs(host.paths).some(({ config }) => config === undefined || config.template === id) ||
    createsUnderWay(host).some((templates) => templates === undefined || templates.includes(id))
  );
}

/** What each names; undefined where that cannot be told. */
function createsUnderWay(host: Host): (string[] | undefined)[] {
  const { journals } = host.paths;
  const names = fs.existsSync(journals) ? fs.readdirSync(journals) : [];
  return names
    .map((file) => file.replace(/\.json$/, ''))
    .filter(isVmName)
    .flatMap((name) => {
      try {
        const entry = readJournal(host, name);
        return entry?.verb === 'create' ? [entry.templates] : [];
      } catch {
        return [undefined];
      }
    });
}
