import { createHash } from 'node:crypto';

/**
 * Several pieces of user-data as one: a MIME multi-part archive, which cloud-init takes apart again
 * (cloud-init, "User data formats"). One piece alone stays as it is.
 */
export function joinUserData(parts: readonly string[]): string {
  const [first = '', ...more] = parts;
  if (more.length === 0) return first;
  const boundary = `part-${createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 32)}`;
  return [
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    'MIME-Version: 1.0',
    '',
    ...parts.flatMap((part) => [
      `--${boundary}`,
      `Content-Type: ${typeOf(part)}; charset="utf-8"`,
      'Content-Transfer-Encoding: base64',
      '',
      ...(Buffer.from(part)
        .toString('base64')
        .match(/.{1,76}/g) ?? []),
    ]),
    `--${boundary}--`,
    '',
  ].join('\r\n');
}

/** By the first line, as cloud-init does it for a piece that stands alone. */
function typeOf(part: string): string {
  const known = TYPES.find(([start]) => part.startsWith(start));
  return known?.[1] ?? 'text/plain';
}

const TYPES = [
  ['#!', 'text/x-shellscript'],
  ['#cloud-config', 'text/cloud-config'],
  ['#include', 'text/x-include-url'],
  ['#cloud-boothook', 'text/cloud-boothook'],
  ['## template: jinja', 'text/jinja2'],
] as const;
