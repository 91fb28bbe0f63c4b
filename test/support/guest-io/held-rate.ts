import { sleep } from '../../../src/host/time.ts';
import type { DirectIo, IoKind } from './direct-io.ts';
import { diskMoves, diskRate } from './disk-rate.ts';

export interface Load {
  io: DirectIo;
  /** QEMU's socket to count by. */
  monitor: string;
  /** Puts a limit on each of these kinds of requests and on no other; undefined is none. */
  limit(kinds: readonly IoKind[], rate: number | undefined): Promise<void>;
  kinds: readonly IoKind[];
  /** Requests of each kind under way at all times. */
  depth: number;
  /** Requests per second. */
  wanted: number;
  tell(text: string): void;
}

/** How far from a limit its use may be. */
const SHARE = 0.05;
const ATTEMPTS = 3;
/** Of a machine that does not do what was wanted, the share of what it does that it has to keep up. */
const SUSTAINED = 0.7;
/** A machine that does less than this share of what was wanted is no place to look at it. */
const LEAST = 0.1;

/**
 * Loads a guest's disk and finds that each kind gets its limit, no more and no less. Less is the machine's doing only
 * if it does less without a limit, too: then a limit that it does reach has to be held to the same accuracy. More, a
 * load that ended, or a kind that gets nothing while the other gets all, fails at once.
 *
 * @returns the limit that was held. The load goes on, under it.
 * @throws Error with everything that was measured; also when nothing is done for a minute
 */
export async function heldRate(load: Load): Promise<number> {
  const { io, kinds, depth, wanted } = load;
  const said: string[] = [];
  let rate = wanted;
  await load.limit(kinds, rate);
  for (const kind of kinds) await io.begin(kind, depth);
  for (let attempt = 1; ; attempt++) {
    const found = await measured(load, 6);
    said.push(`limit ${rate}/s: ${found.text}`);
    load.tell(said.at(-1) ?? '');
    const shares = kinds.map((kind) => found.rates[kind] / rate);
    if (shares.every((share) => Math.abs(share - 1) <= SHARE)) return rate;
    const starved = shares.some((share) => share < 0.01) && shares.some((s) => s > 1 - SHARE);
    const over = shares.some((share) => share > 1 + SHARE);
    if (over || starved || attempt === ATTEMPTS) throw failed(load, said);
    await load.limit(kinds, undefined);
    const free = await measured(load, 3);
    said.push(`no limit: ${free.text}`);
    load.tell(said.at(-1) ?? '');
    const able = Math.min(...kinds.map((kind) => free.rates[kind]));
    if (able < wanted * LEAST) throw failed(load, said);
    rate = Math.min(wanted, Math.floor(able * SUSTAINED));
    await load.limit(kinds, rate);
  }
}

/** What the disk does once it does anything. */
async function measured(
  { io, monitor, kinds }: Load,
  seconds: number,
): Promise<{ rates: Record<IoKind, number>; text: string }> {
  const moves = await diskMoves(monitor, kinds);
  await sleep(1000);
  const rates = await diskRate(monitor, seconds);
  const states = await io.states();
  const told = kinds.map((kind) => `${rates[kind].toFixed(1)} ${kind}s/s`).join(', ');
  const text = `${told}${moves ? '' : ' (none for a minute)'}`;
  if (/ended/.test(states) || !moves) throw new Error(`${text}; loads:\n${states}`);
  return { rates, text };
}

function failed({ kinds, wanted }: Load, said: readonly string[]): Error {
  return new Error(`${kinds.join(' and ')} do not get ${wanted}/s ±5 %:\n${said.join('\n')}`);
}
