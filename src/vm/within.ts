import { InputError } from '../errors.ts';

/** @throws InputError naming the option when its value is no whole number of the range. */
export function within(
  option: string,
  value: number,
  least: number,
  most: number,
  why: string,
): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new InputError(`${option} ${value} is out of range`, {
    hint: `use a whole number from ${least} to ${most} (${why})`,
  });
}
