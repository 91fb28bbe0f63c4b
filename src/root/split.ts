import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as readline from 'node:readline';
import * as z from 'zod/mini';
import { LostError } from '../errors.ts';
import { type Account, dropTo } from '../host/accounts.ts';
import type { RootContext } from '../vm/host.ts';
import { answer } from './door.ts';
import type { Transport } from './remote.ts';

const Line = z.strictObject({ id: z.int(), request: z.string(), params: z.unknown() });
const Answer = z.strictObject({ id: z.int(), reply: z.unknown() });

/**
 * Leaves a root side behind, as a child that answers on a pipe, and turns this process into the account for
 * good. The child ends with this process: its pipe closes.
 */
export function splitOff(account: Account, user: string): Transport {
  const program = fs.realpathSync(process.argv[1] ?? '');
  const child = spawn(process.execPath, [program, 'root', '--serve'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  dropTo(account, user);
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  // While nobody waits for an answer the child keeps nobody from ending.
  const hold = (): void => {
    for (const part of [child, child.stdin, child.stdout]) setReferenced(part, waiting.size > 0);
  };
  hold();
  child.stdin.on('error', () => undefined);
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, reply } = z.parse(Answer, JSON.parse(line));
    waiting.get(id)?.resolve(reply);
    waiting.delete(id);
    hold();
  });
  child.once('close', () => {
    for (const { reject } of waiting.values())
      reject(new LostError('the root side of this command has ended'));
  });
  return (request, params) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      waiting.set(id, { resolve, reject });
      hold();
      child.stdin.write(`${JSON.stringify({ id, request, params })}\n`);
    });
}

interface Waiting {
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

/** Answers requests from stdin, a line each, until its end. Those for different VMs go side by side. */
export async function serveRoot(context: RootContext): Promise<void> {
  // Signals reach the whole group, but what is to be undone is the other side's to say; without it stdin ends.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) {
    process.removeAllListeners(signal);
    process.on(signal, () => undefined);
  }
  const under: Promise<void>[] = [];
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { id, request, params } = z.parse(Line, JSON.parse(line));
    const work = async (): Promise<void> => {
      const reply = await answer(context, request, JSON.stringify(params));
      process.stdout.write(`${JSON.stringify({ id, reply })}\n`);
    };
    under.push(work());
  }
  await Promise.all(under);
}

/** Child pipes are sockets, which the types do not tell. */
function setReferenced(part: object, on: boolean): void {
  const method = on ? 'ref' : 'unref';
  const found = (part as Record<string, unknown>)[method];
  if (typeof found === 'function') found.call(part);
}
