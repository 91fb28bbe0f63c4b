/**
 * One line of build/bench.json. `target` is the most `value` may be, the least where `atLeast` made it, or what it has
 * to be near where `within` did.
 */
export interface Row {
  name: string;
  value: number;
  unit: string;
  target: number;
  ok: boolean;
}

export function atMost(name: string, value: number, unit: string, target: number): Row {
  return { name, value: rounded(value), unit, target: rounded(target), ok: value <= target };
}

export function atLeast(name: string, value: number, unit: string, target: number): Row {
  return { name, value: rounded(value), unit, target: rounded(target), ok: value >= target };
}

/** @param share how far off it may be: 0.05 is 5 % */
export function within(
  name: string,
  value: number,
  unit: string,
  target: number,
  share: number,
): Row {
  const ok = Math.abs(value / target - 1) <= share;
  return { name, value: rounded(value), unit, target: rounded(target), ok };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  if (high === undefined) throw new Error('no values');
  return sorted.length % 2 === 1 || low === undefined ? high : (low + high) / 2;
}

export function printTable(rows: readonly Row[]): void {
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, value, unit, target, ok } of rows) {
    const line = `${name.padEnd(width)}  ${String(value).padStart(9)} ${unit.padEnd(5)} target ${target}`;
    process.stdout.write(`${line.padEnd(width + 36)} ${ok ? 'ok' : 'MISSED'}\n`);
  }
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
