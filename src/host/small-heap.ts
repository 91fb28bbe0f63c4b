import * as v8 from 'node:v8';
import * as vm from 'node:vm';
import { MiB } from '../types.ts';

const EVERY_MS = 5_000;
/** Less garbage than this is left alone. */
const WORTH_BYTES = MiB;

/**
 * For a resident process with much short-lived garbage: V8 would let both generations grow several times beyond
 * what is in use before it collects, since it is made for programs that have the machine for themselves. A full
 * collection of a small heap takes some 10 ms.
 */
export function keepHeapSmall(): void {
  v8.setFlagsFromString('--semi-space-growth-factor=1');
  // Optimized code takes memory, and so much bytecode must have run before V8 makes it (twice the default).
  v8.setFlagsFromString('--interrupt-budget=270000');
  v8.setFlagsFromString('--expose-gc');
  const gc: unknown = vm.runInNewContext('gc');
  if (typeof gc !== 'function') return;
  let kept = 0;
  const collect = (): void => {
    if (v8.getHeapStatistics().used_heap_size < kept + WORTH_BYTES) return;
    gc();
    kept = v8.getHeapStatistics().used_heap_size;
  };
  // Starting makes the most garbage.
  setTimeout(() => collect(), EVERY_MS / 3).unref();
  setInterval(() => collect(), EVERY_MS).unref();
}
