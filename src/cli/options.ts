import { InvalidArgumentError } from 'commander';
import { InputError } from '../errors.ts';
import { quote } from '../types.ts';
import type { Invocation } from './invocation.ts';

/** commander parser for a whole number in decimal digits; ranges are checked where their reason is known. */
export function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('use a whole number.');
}

/** commander parser for an option that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** What `collect` gathered. */
export function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

export function stringOption(options: Invocation['options'], key: string): string | undefined {
  const value = options[key];
  return typeof value === 'string' ? value : undefined;
}

export function numberOption(options: Invocation['options'], key: string): number | undefined {
  const value = options[key];
  return typeof value === 'number' ? value : undefined;
}

/** @throws InputError when the value is not one of the words. */
export function choice<T extends string>(option: string, value: unknown, words: readonly T[]): T {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw new InputError(`${option} ${quote(value)} is not known`, {
    hint: `use ${words.join(' or ')}`,
  });
}
