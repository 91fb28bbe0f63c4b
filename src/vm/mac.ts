import { randomBytes } from 'node:crypto';

/** QEMU's customary prefix; the rest is random, so that two hosts on one network do not collide. */
export function randomMac(): string {
  return ['52', '54', '00', ...(randomBytes(3).toString('hex').match(/../g) ?? [])].join(':');
}
