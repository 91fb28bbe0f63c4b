import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as readline from 'node:readline';
import * as z from 'zod/mini';
import { ProvisionerError } from '../errors.ts';
import { type Account, groupsOf } from '../host/accounts.ts';
import type { RootContext } from '../vm/host.ts';
import { answer } from './door.ts';
import type { Transport } from './remote.ts';

const Line = z.strictObject({ request: z.string(), params: z.unknown() });

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
  child.unref();
  for (const stream of [child.stdin, child.stdout]) unref(stream);
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.on('error', () => undefined);
  return async (request, params) => {
    child.ref();
    ref(child.stdout);
    child.stdin.write(`${JSON.stringify({ request, params })}\n`);
    const { value, done } = await lines.next();
    child.unref();
    unref(child.stdout);
    if (done === true) throw new ProvisionerError('the root side of this command has ended');
    return JSON.parse(value) as unknown;
  };
}

/** From root to an account, with its groups, and no way back. */
export function dropTo(account: Account, user: string): void {
  process.setgroups?.([account.gid, ...groupsOf(user)]);
  process.setgid?.(account.gid);
  process.setuid?.(account.uid);
  process.env.HOME = account.home;
  // Root's own folders are closed now: a search that comes by one would end with EACCES.
  process.env.PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
}

/** Answers requests from stdin, a line each, in order, until its end. */
export async function serveRoot(context: RootContext): Promise<void> {
  // Ctrl-C reaches the whole group, but what is to be undone is the other side's to say.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) {
    process.removeAllListeners(signal);
    process.on(signal, () => undefined);
  }
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { request, params } = z.parse(Line, JSON.parse(line));
    const reply = await answer(context, request, JSON.stringify(params));
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

/** Child pipes are sockets, which the types do not tell. */
function unref(stream: object): void {
  if ('unref' in stream && typeof stream.unref === 'function') stream.unref();
}

function ref(stream: object): void {
  if ('ref' in stream && typeof stream.ref === 'function') stream.ref();
}
