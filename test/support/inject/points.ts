import * as fs from 'node:fs';
import { type How, ORDERS, type Orders } from './orders.ts';

const orders = JSON.parse(process.env[ORDERS] ?? '') as Orders;
// Not for those we start.
delete process.env[ORDERS];

export const { base } = orders;
const { appendFileSync } = fs;
const counts = new Map<string, number>();

/** Takes note of a point. @returns what is to happen there. */
export function reach(what: string): How | undefined {
  const label = nameless(what);
  const count = (counts.get(label) ?? 0) + 1;
  counts.set(label, count);
  const point = count === 1 ? label : `${label} (${count})`;
  const how = orders.fault?.point === point ? orders.fault.how : undefined;
  appendFileSync(orders.log, `${how === undefined ? '' : '!'}${point}\n`);
  if (how === 'kill') die();
  if (how === 'stop') {
    process.kill(process.pid, 'SIGSTOP');
    return undefined;
  }
  return how;
}

export function die(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

export function failure(what: string): Error {
  return Object.assign(new Error(`EIO: i/o error, ${what}`), { code: 'EIO', errno: -5 });
}

/** The same in every run: without process ids, random words and the directory of the test. */
function nameless(text: string): string {
  return text
    .replaceAll(base, '')
    .replace(/\.\d+-[0-9a-z]+\.tmp/g, '.tmp')
    .replace(/\.[0-9a-f]{8}(?=\.tmp|$|\b)/g, '.RANDOM')
    .replace(/[0-9a-f]{8}-\d+-\d+-\d+-(\w{6})?/g, 'STAGING')
    .replace(/image-[0-9a-f]{8,}/g, 'TEMPLATE')
    .replace(/tmp-\w{6}/g, 'tmp-RANDOM')
    .replace(/^(\S+) \/s\w{0,7}\//, '$1 ')
    .replace(/ (-> )?\/s\w{0,7}\//g, ' $1');
}
