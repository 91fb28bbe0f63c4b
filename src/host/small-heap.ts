import * as v8 from 'node:v8';
import * as vm from 'node:vm';

const EVERY_MS = 10_000;

/**
 * For a resident process with much short-lived garbage: V8 would let both generations grow several times beyond
 * what is in use before it collects, since it is made for programs that have the machine for themselves. A full
 * collection of a small heap takes some 10 ms.
 */
export function keepHeapSmall(): void {
  v8.setFlagsFromString('--semi-space-growth-factor=1');
  v8.setFlagsFromString('--expose-gc');
  const collect: unknown = vm.runInNewContext('gc');
  if (typeof collect !== 'function') return;
  // Starting makes the most garbage.
  setTimeout(() => collect(), EVERY_MS / 3).unref();
  setInterval(() => collect(), EVERY_MS).unref();
}
