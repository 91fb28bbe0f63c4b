import { InputError } from './errors.ts';

declare const brand: unique symbol;

/** A validated VM name: safe as one path component, as an argument and in a unit name. */
export type VmName = string & { readonly [brand]: 'VmName' };

/** BlockHost's name rule (contract §6): a letter or digit, then letters, digits, dot, underscore, dash; 64 at most. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

export function isVmName(value: unknown): value is VmName {
  return typeof value === 'string' && NAME.test(value);
}

/**
 * Every name from outside goes through here before it reaches a path, a lock or an argv.
 * @throws InputError naming the rule; the offending text is quoted with control characters escaped.
 */
export function parseVmName(value: unknown): VmName {
  if (isVmName(value)) return value;
  throw new InputError(`${quote(value)} is not a valid VM name`, {
    hint: 'use 1 to 64 letters, digits, dots, underscores or dashes, beginning with a letter or digit',
  });
}

/** Untrusted text made fit for one line of an error message: JSON quoting, control characters escaped, cut at 80. */
export function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : String(value);
  const cut = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return visible(JSON.stringify(cut));
}

/** Escapes what would move a terminal's cursor, colour it, or turn the direction of its text. */
export function visible(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Receives one line of progress for a person; implementations write to stderr. */
export type Report = (line: string) => void;

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

/** Ids of QEMU objects that QMP commands and tests refer to. */
export const DEVICE = {
  disk: 'disk0',
  seed: 'seed0',
  nic: 'net0',
  agent: 'agent0',
  agentChardev: 'qga',
  balloon: 'balloon0',
} as const;

/** QEMU's throttle group in front of the VM's disks, there from the start, with or without limits. */
export const THROTTLE_GROUP = 'limits0';

/** Where `query-blockstats` and `block_set_io_throttle` find the disk (QEMU names it by its qdev path). */
export const DISK_QDEV = `/machine/peripheral/${DEVICE.disk}/virtio-backend`;
