import * as fs from 'node:fs';
import { ProvisionerError } from '../../errors.ts';
import { ExecError, run } from '../../host/exec.ts';
import { applyIp } from '../ip-batch.ts';
import { hasClsact, hasFilter, leadsTo, parseBucket } from './listing.ts';
import { bytesPerSecond, ifbName, type Shape, type ShapeInForce, shapePlan } from './plan.ts';

/** Makes the wanted limits hold for a tap, and looks whether they do. @throws ProvisionerError in words. */
export async function applyShape(tap: string, wanted: Shape): Promise<void> {
  const plan = shapePlan(tap, wanted, await readShape(tap));
  if (plan.make.length > 0) await loadIfb();
  await explained('the kernel has no ifb device', () => applyIp(plan.make));
  if (plan.tc.length > 0) {
    const input = plan.tc.map((line) => `${line}\n`).join('');
    await explained('the kernel cannot shape traffic', () => run('tc', ['-batch', '-'], { input }));
  }
  await applyIp(plan.remove);
  const wrong = difference(wanted, await readShape(tap));
  if (wrong !== undefined) throw new ProvisionerError(`${tap}: ${wrong}`);
}

/** What differs between wish and kernel, in words; undefined when nothing does. */
export function difference(wanted: Shape, now: ShapeInForce): string | undefined {
  for (const direction of ['in', 'out'] as const) {
    const kbit = wanted[direction];
    const rate = kbit === undefined ? undefined : bytesPerSecond(kbit);
    if (now[direction]?.bytesPerSecond === rate) continue;
    return `bandwidth ${direction} is ${now[direction]?.bytesPerSecond ?? 'not limited'}, not ${rate ?? 'unlimited'} (bytes/s)`;
  }
  return undefined;
}

export async function readShape(tap: string): Promise<ShapeInForce> {
  if (!exists(tap)) return { ifb: exists(ifbName(tap)), redirected: false };
  const ifb = ifbName(tap);
  const [own, filters, other] = await Promise.all([
    show('qdisc', 'show', 'dev', tap),
    show('filter', 'show', 'dev', tap, 'ingress'),
    exists(ifb) ? show('qdisc', 'show', 'dev', ifb) : undefined,
  ]);
  const redirected = leadsTo(filters, ifb);
  const out = other === undefined ? undefined : parseBucket(other);
  return {
    in: parseBucket(own),
    // A bucket that nothing is led to limits nothing.
    out: redirected ? out : undefined,
    ifb: other !== undefined,
    redirected,
    unused: hasClsact(own) && !hasFilter(filters) && !hasFilter(await egress(tap)),
  };
}

function egress(tap: string): Promise<string> {
  return show('filter', 'show', 'dev', tap, 'egress');
}

/** Removes the device of a tap's other direction: it outlives the tap, which goes with its QEMU. */
export async function removeShape(tap: string): Promise<void> {
  if (exists(ifbName(tap)) && !exists(tap)) await remove(ifbName(tap));
}

/** Removes the devices of all taps that are gone. @returns their names. */
export async function pruneShapes(): Promise<string[]> {
  const stale = staleShapes();
  // A start may have made its tap meanwhile.
  for (const name of stale) await removeShape(tapOf(name));
  return stale;
}

/** The devices `pruneShapes` would remove. */
export function staleShapes(): string[] {
  return fs
    .readdirSync('/sys/class/net')
    .filter((name) => /^ifb\d+i0$/.test(name) && !exists(tapOf(name)))
    .sort();
}

function tapOf(ifb: string): string {
  return ifb.replace(/^ifb/, 'tap');
}

/** Loaded by the kernel itself, the module would bring two devices along that nobody asked for. */
async function loadIfb(): Promise<void> {
  if (fs.existsSync('/sys/module/ifb')) return;
  try {
    await run('modprobe', ['--quiet', 'ifb', 'numifbs=0']);
  } catch {
    // Built in, or not there at all: making the device tells.
  }
}

async function remove(device: string): Promise<void> {
  try {
    await applyIp([`link delete dev ${device}`]);
  } catch (error) {
    // Another command was faster.
    if (exists(device)) throw error;
  }
}

async function show(...words: string[]): Promise<string> {
  return (await run('tc', ['-j', ...words])).stdout;
}

function exists(device: string): boolean {
  return fs.existsSync(`/sys/class/net/${device}`);
}

async function explained(what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ProvisionerError)) throw error;
    if (error instanceof ExecError && error.missing) throw error;
    throw new ProvisionerError(`${what}: ${said(error.detail ?? '') ?? error.message}`, {
      hint: 'it needs CONFIG_IFB, CONFIG_NET_SCH_TBF, CONFIG_NET_CLS_U32 and CONFIG_NET_ACT_MIRRED (modprobe ifb)',
      detail: error.detail,
      cause: error,
    });
  }
}

/** The cause; tc may tell it without a word before it, and which line of its input it was in the next. */
function said(stderr: string): string | undefined {
  return (/(?:RTNETLINK answers|Error): (.*)/.exec(stderr) ??
    /^(?!Command failed)(.+)$/m.exec(stderr))?.[1];
}
