import * as fs from 'node:fs';
import * as path from 'node:path';
import { BusyError, errnoOf, messageOf } from '../errors.ts';
import { ExecError } from '../host/exec.ts';
import type { Paths } from '../host/paths.ts';
import { removeSoon, removeTree } from '../host/remove-tree.ts';
import { isTemplateId } from '../image/template-manifest.ts';
import { pruneGuards, staleGuards } from '../net/guard/install.ts';
import { applyShape, pruneShapes, staleShapes } from '../net/shape/shape.ts';
import { allConfigs } from '../store/all-configs.ts';
import { isVmName, type VmName } from '../types.ts';
import { leftScopes, unguarded, unshaped } from './care-running.ts';
import type { RootContext } from './host.ts';
import { shapeOf } from './limits/network.ts';
import { repair } from './protection.ts';
import type { Cared, CareForHost, Leftover } from './root-side.ts';
import { inTurn } from './root-turn.ts';
import { chooseRunner } from './runner.ts';

/** Looks for one kind of things, and takes them away when that is asked for. */
type Take = (
  kind: Leftover['kind'],
  names: () => string[] | Promise<string[]>,
  remove: (names: string[]) => unknown,
) => Promise<void>;

/**
 * Looks for what is left of VMs that are gone, and takes it away when asked to: what nobody can miss, since no
 * file of a VM's is among it. What confines VMs that run is looked at, too, and put back.
 */
export async function careForHost(context: RootContext, { mend }: CareForHost): Promise<Cared> {
  const { paths } = context;
  const left: Leftover[] = [];
  const troubles: string[] = [];
  const take: Take = async (kind, names, remove) => {
    try {
      const found = await names();
      left.push(...found.map((name) => ({ kind, name })));
      if (mend && found.length > 0) await remove(found);
    } catch (error) {
      // Where there is no nft, nobody has filtered anything.
      if (!(error instanceof ExecError && error.missing)) troubles.push(messageOf(error));
    }
  };
  await take(
    'trash',
    () => entries(paths.trash),
    (names) => {
      const all = names.map((name) => path.join(paths.trash, name));
      return context.inHaste === true ? removeSoon(all, HASTE_MS) : removeTree(...all);
    },
  );
  await take(
    'temporary',
    () => temporaries(paths),
    (names) => {
      for (const name of names) fs.rmSync(path.join(paths.state, name), { force: true });
    },
  );
  if (process.getuid?.() === 0) {
    // A start confines its tap a moment before it makes it.
    const starting = startingTaps(paths);
    await take(
      'filter',
      () => staleGuards(starting),
      () => pruneGuards(starting),
    );
    await take('shaper', staleShapes, pruneShapes);
    await take(
      'scope',
      () => leftScopes(context),
      (names) => clearScopes(context, names),
    );
    await careForRunning(context, take);
  }
  return { left, troubles };
}

/** What confines VMs that run: put back as it must be, their guests notice nothing. */
async function careForRunning(context: RootContext, take: Take): Promise<void> {
  const names = (vms: readonly { name: string }[]): string[] => vms.map(({ name }) => name);
  await take(
    'unguarded',
    async () => names(await unguarded(context)),
    async () => {
      for (const config of await unguarded(context)) await repair(config);
    },
  );
  await take(
    'unshaped',
    async () => names(await unshaped(context)),
    async () => {
      for (const { name } of await unshaped(context))
        if (isVmName(name)) await reshape(context, name);
    },
  );
}

/** In turn, since a request that changes limits is done with the kernel before it writes down what it did. */
async function reshape(context: RootContext, name: VmName): Promise<void> {
  const work = async (): Promise<void> => {
    const config = (await unshaped(context)).find((one) => one.name === name);
    if (config !== undefined) await applyShape(config.network.tap, shapeOf(config.limits ?? {}));
  };
  try {
    await inTurn({ ...context, inHaste: true }, 'host care', name, work);
  } catch (error) {
    // Whoever has the turn may be about to limit it; the next look tells.
    if (!(error instanceof BusyError)) throw error;
  }
}

async function clearScopes({ paths, settings }: RootContext, names: string[]): Promise<void> {
  for (const name of names.filter(isVmName))
    await chooseRunner(settings.runner).clear({ name, directory: paths.vm(name).directory });
}

const HASTE_MS = 300;

/** Taps of VMs whose start or end is under way. */
function startingTaps(paths: Paths): string[] {
  return allConfigs(paths).flatMap(({ name, config }) =>
    config?.network.mode === 'bridge' && fs.existsSync(paths.vm(name).run)
      ? [config.network.tap]
      : [],
  );
}

/** What an atomic write leaves when it is killed (host/files.ts), old enough to be nobody's any more. */
function temporaries({ state, vms, templates }: Paths): string[] {
  const own = [
    ...entries(vms).map((name) => path.join(vms, name)),
    ...entries(templates)
      .filter(isTemplateId)
      .map((id) => path.join(templates, id)),
  ];
  const directories = [state, vms, templates, ...own];
  return directories.flatMap((directory) =>
    entries(directory)
      .filter((name) => TEMPORARY.test(name))
      .map((name) => path.join(directory, name))
      .filter((file) => isOldFile(file))
      .map((file) => path.relative(state, file)),
  );
}

const TEMPORARY = /^\.[A-Za-z0-9._-]+\.\d+-[0-9a-z]+\.tmp$|^\.probe\.[0-9a-f]{8}$/;
const OLD_MS = 3_600_000;

function isOldFile(file: string): boolean {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  return stat?.isFile() === true && Date.now() - stat.mtimeMs > OLD_MS;
}

function entries(directory: string): string[] {
  try {
    return fs.readdirSync(directory).sort();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(error) ?? '')) return [];
    throw error;
  }
}
