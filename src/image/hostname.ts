import { InputError } from '../errors.ts';
import { quote } from '../types.ts';

/** The host name of a guest: VM names may hold underscores and capitals, host names may not. */
export function hostnameFor(name: string): string {
  const fitted = name
    .toLowerCase()
    .replace(/_/g, '-')
    .replace(/^[.-]+|[.-]+$/g, '');
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(fitted)) return fitted;
  throw new InputError(`${quote(name)} cannot be made a host name`, {
    hint: 'use letters, digits, dots and dashes',
  });
}
