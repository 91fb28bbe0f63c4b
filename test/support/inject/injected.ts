import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { poll } from '../../../src/host/time.ts';
import { driverFile } from '../bundle-driver.ts';
import { type Finished, projectRoot, Running } from '../program.ts';
import type { Sandbox } from '../sandbox.ts';
import { type How, ORDERS, type Orders } from './orders.ts';

export interface Injected extends Finished {
  /** The points it came to, in order. */
  points: string[];
  /** Whether the one with the fault was among them. */
  reached: boolean;
  /** What had to be done to a command that hung. */
  ended: 'by itself' | 'by SIGTERM' | 'by SIGKILL';
}

/** A request has a deadline of its own; a command that hangs is ended by whoever waits for the verb. */
const PATIENCE_MS = { ask: 30_000, run: 300 };
/** A command that heeds no signal has its deadline of 60 s (src/host/exec.ts). */
const AFTER_TERM_MS = 65_000;

/** Runs the real program with a fault at one point, or just takes note of all points. */
export async function runInjected(
  sandbox: Sandbox,
  argv: readonly string[],
  fault?: { point: string; how: How },
): Promise<Injected> {
  const base = path.dirname(sandbox.state);
  const log = path.join(base, `points.${randomBytes(4).toString('hex')}`);
  fs.writeFileSync(log, '');
  fs.writeFileSync(path.join(base, 'hang'), '');
  const orders: Orders = { base, log, ...(fault === undefined ? {} : { fault }) };
  const preload = await driverFile('inject/preload');
  const program = path.join(projectRoot(), 'dist', 'blockhost-qemu.cjs');
  const running = new Running([process.execPath, '--import', preload, program, ...argv], {
    env: { ...sandbox.env, [ORDERS]: JSON.stringify(orders) },
  });
  const ended = fault?.how === 'hang' ? await endHanging(running, log) : 'by itself';
  const finished = await running.done;
  const lines = fs.readFileSync(log, 'utf8').split('\n').filter(Boolean);
  fs.rmSync(log);
  return {
    ...finished,
    ended,
    points: lines.map((line) => line.replace(/^!/, '')),
    reached: lines.some((line) => line.startsWith('!')),
  };
}

async function endHanging({ child, done }: Running, log: string): Promise<Injected['ended']> {
  let over = false;
  void done.then(() => {
    over = true;
  });
  const within = async (deadlineMs: number): Promise<boolean> =>
    (await poll(() => (over ? true : undefined), { deadlineMs, everyMs: 10 })) === true;
  const hangs = (): string | undefined =>
    over ? '' : /^!(\w+)/m.exec(fs.readFileSync(log, 'utf8'))?.[1];
  const what = (await poll(hangs, { deadlineMs: 60_000, everyMs: 10 })) ?? '';
  if (await within(what === 'run' ? PATIENCE_MS.run : PATIENCE_MS.ask)) return 'by itself';
  child.kill('SIGTERM');
  if (await within(AFTER_TERM_MS)) return 'by SIGTERM';
  child.kill('SIGKILL');
  return 'by SIGKILL';
}
