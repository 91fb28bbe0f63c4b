import { createHash } from 'node:crypto';
import type { Random } from '../random.ts';

/** Options of each verb that take a value, and those that take none; what stands before the options. */
export const GRAMMAR: Record<string, { words: number; values: string[]; flags: string[] }> = {
  create: {
    words: 1,
    values: [
      ...['--cpu', '--memory', '--disk', '--image', '--template', '--ssh-key', '--network'],
      ...['--bridge', '--cloud-init-content', '--owner-wallet', '--nft-token-id', '--expiry-days'],
      ...['--username', '--hostname', '--forward', '--private-network', '--address', '--gateway'],
      ...['--extra-disk', '--user-data'],
    ],
    flags: ['--apply', '--no-wait'],
  },
  destroy: { words: 1, values: [], flags: [] },
  start: { words: 1, values: [], flags: [] },
  stop: { words: 1, values: ['--timeout'], flags: [] },
  kill: { words: 1, values: [], flags: [] },
  pause: { words: 1, values: [], flags: [] },
  status: { words: 1, values: [], flags: [] },
  list: { words: 0, values: ['--format'], flags: [] },
  inspect: { words: 1, values: [], flags: [] },
  // Without --all, which succeeds without a VM and would write wherever --textfile says.
  metrics: { words: 1, values: ['--format', '--textfile'], flags: ['--extended'] },
  history: { words: 1, values: [], flags: ['--day', '--json'] },
  configure: { words: 1, values: ['--cpu', '--memory', '--forward'], flags: [] },
  snapshot: { words: 3, values: [], flags: ['--json'] },
  export: { words: 2, values: [], flags: [] },
  'guest-exec': { words: 2, values: ['--timeout'], flags: [] },
  'update-gecos': { words: 2, values: ['--nft-id'], flags: [] },
  throttle: {
    words: 1,
    values: [
      ...['--cpu-shares', '--cpu-quota', '--bandwidth-in', '--bandwidth-out', '--bandwidth-burst'],
      ...['--iops-read', '--iops-write', '--iops-burst', '--iops-burst-seconds', '--bps-read'],
      '--bps-write',
    ],
    flags: ['--reset', '--show', '--json', '--verify'],
  },
  resume: { words: 1, values: ['--extend-days'], flags: ['--dry-run'] },
  completion: { words: 1, values: [], flags: [] },
  root: { words: 1, values: [], flags: [] },
};

const PIECES = [
  ...['', ' ', '.', '..', '/', '../../etc/no-such', '-', '--', '-x', '--apply', '=', '--=', '\n'],
  ...['web1', 'a b', 'a\nb', '\u001b[31m', '\u202e', 'é', '💣', '\u0000'.slice(1), '%s%n', '$(id)'],
  ...['`id`', ';id', '|id', '&', "'", '"', '\\', '*', '?', '{}', '[]', 'null', 'undefined', 'NaN'],
  ...[
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'prototype',
    '0',
    '-0',
    '-1',
    '1e9',
  ],
  ...['0x10', '1.5', '9007199254740993', '99999999999999999999', '٣', 'Infinity', '1,2', '1:2:3:4'],
  ...['255.255.255.255', '10.0.0.0/33', '::1', '0:0', '65536:22', 'tcp:', 'file:///etc/shadow'],
  ...[
    'json:{"driver":"null-co"}',
    'nbd:localhost:1',
    '/dev/null',
    '/proc/self/mem',
    '/',
    '/dev/zero',
  ],
];

/** A command line that no verb can do anything with: no VM, no template, or nonsense. */
export function hostileLine(random: Random): { verb: string; args: string[] } {
  const verb = random.pick(Object.keys(GRAMMAR));
  const { words, values, flags } = GRAMMAR[verb] ?? { words: 0, values: [], flags: [] };
  const args: string[] = [];
  for (let i = 0; i < words; i++) {
    if (random.chance(0.1)) continue;
    args.push(random.chance(0.5) ? 'web1' : text(random));
  }
  const more = random.below(4);
  for (let i = 0; i < more; i++) {
    if (values.length > 0 && random.chance(0.7)) args.push(random.pick(values), text(random));
    else if (flags.length > 0 && random.chance(0.6)) args.push(random.pick(flags));
    else args.push(text(random));
  }
  if (random.chance(0.1)) args.sort(() => random.next() - 0.5);
  return { verb, args: args.filter((word) => !/^(-h|-V|--help|--version)/.test(word)) };
}

function text(random: Random): string {
  const kind = random.below(10);
  if (kind < 6) return random.pick(PIECES);
  if (kind < 8) return random.pick(PIECES) + random.pick(PIECES);
  if (kind === 8) return random.pick(PIECES).repeat(1 + random.below(300));
  const bytes = createHash('sha256').update(String(random.next())).digest();
  return bytes
    .subarray(0, 1 + random.below(31))
    .toString('latin1')
    .replaceAll('\0', '');
}
