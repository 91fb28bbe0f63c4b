import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as readline from 'node:readline';
import * as z from 'zod/mini';
import { LostError, RootEndedError } from '../errors.ts';
import { type Account, dropTo } from '../host/accounts.ts';
import type { RootContext } from '../vm/host.ts';
import { answer } from './door.ts';
import type { Transport } from './remote.ts';
import type { Sessions } from './sessions.ts';

const Line = z.strictObject({ id: z.int(), request: z.string(), params: z.unknown() });
const Answer = z.strictObject({ id: z.int(), reply: z.unknown() });

/** Where the root side of a command finds the command's own stdout, if it is to write there. */
export const PASSED_STDOUT = 3;

/** Files that the command line names, for the root side to open. */
export interface Named {
  /** `-` is stdout. */
  backupTo?: string | undefined;
  restoreFrom?: readonly string[] | undefined;
}

/**
 * Leaves a root side behind, as a child that answers on a pipe, and turns this process into the account for
 * good. The child ends with this process: its pipe closes.
 */
export function splitOff(account: Account, user: string, named: Named): Transport {
  const program = fs.realpathSync(process.argv[1] ?? '');
  const { backupTo, restoreFrom = [] } = named;
  const files = [
    ...(backupTo === undefined ? [] : [`--backup-to=${backupTo}`]),
    ...restoreFrom.map((file) => `--restore-from=${file}`),
  ];
  const child = spawn(process.execPath, [program, 'root', '--serve', ...files], {
    stdio: ['pipe', 'pipe', 'inherit', ...(backupTo === '-' ? [1] : [])],
  });
  const [requests, replies] = [child.stdin, child.stdout];
  if (requests === null || replies === null) throw new LostError('the root side has no pipes');
  dropTo(account, user);
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let ended = false;
  // While nobody waits for an answer the child keeps nobody from ending.
  const hold = (): void => {
    for (const part of [child, requests, replies]) setReferenced(part, waiting.size > 0);
  };
  hold();
  requests.on('error', () => undefined);
  readline.createInterface({ input: replies }).on('line', (line) => {
    const { id, reply } = z.parse(Answer, JSON.parse(line));
    waiting.get(id)?.resolve(reply);
    waiting.delete(id);
    hold();
  });
  child.once('close', () => {
    ended = true;
    for (const { reject } of waiting.values()) reject(lost());
  });
  return (request, params) =>
    new Promise((resolve, reject) => {
      if (ended) return reject(lost());
      const id = ++lastId;
      waiting.set(id, { resolve, reject });
      hold();
      requests.write(`${JSON.stringify({ id, request, params })}\n`);
    });
}

function lost(): RootEndedError {
  return new RootEndedError('the root side of this command has ended');
}

interface Waiting {
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

/** Answers requests from stdin, a line each, until its end. Those for different VMs go side by side. */
export async function serveRoot(context: RootContext, sessions: Sessions): Promise<void> {
  // Signals reach the whole group, but what is to be undone is the other side's to say; without it stdin ends.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) {
    process.removeAllListeners(signal);
    process.on(signal, () => undefined);
  }
  const under: Promise<void>[] = [];
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { id, request, params } = z.parse(Line, JSON.parse(line));
    const work = async (): Promise<void> => {
      const reply = await answer(context, request, JSON.stringify(params), sessions);
      process.stdout.write(`${JSON.stringify({ id, reply })}\n`);
    };
    under.push(work());
  }
  // Its caller is dead, and with it the VM's lock: the next verb clears away what is half-done.
  if (sessions.isBusy) process.exit(1);
  await Promise.all(under);
}

/** Child pipes are sockets, which the types do not tell. */
function setReferenced(part: object, on: boolean): void {
  const method = on ? 'ref' : 'unref';
  const found = (part as Record<string, unknown>)[method];
  if (typeof found === 'function') found.call(part);
}
