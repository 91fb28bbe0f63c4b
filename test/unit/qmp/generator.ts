import { Random } from '../../support/random.ts';

/** Pieces of the protocols, so that chance comes near to what would be believed. */
const WORDS = [
  'return',
  'error',
  'id',
  'event',
  'QMP',
  'class',
  'desc',
  'status',
  'running',
  'label',
  'name',
  'filename',
  'frontend-open',
  'stats',
  'value',
  'exited',
  'exitcode',
  'out-data',
  'mountpoint',
  'type',
  'used-bytes',
  'ip-addresses',
  'statistics',
  'rx-bytes',
  'reason',
  'guest',
  'data',
  '__proto__',
  'constructor',
  'toString',
  'length',
];

const TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  '\n',
  '\r\n',
  '\0',
  'null',
  '1e999',
  '-0',
  '\\u',
];

/** Random bytes and values that a seed gives again. */
export class Generator extends Random {
  /** A JSON value; objects use the protocols' own keys. */
  value(depth: number): unknown {
    const size = this.below(5);
    switch (depth === 0 ? this.below(5) : this.below(9)) {
      case 0:
        return null;
      case 1:
        return this.chance(0.5);
      case 2:
        return this.pick([0, -1, 0.5, 2 ** 64, 1e300, this.below(1000)]);
      case 3:
        return this.pick(['', 'ipv4', 'QUFB', '\u001b[2J', '\u202e', 'é\ud800', 'x'.repeat(200)]);
      case 4:
        return this.pick(WORDS);
      case 5:
      case 6:
        return Array.from({ length: size }, () => this.value(depth - 1));
      default:
        return Object.fromEntries(
          Array.from({ length: size * 2 }, () => [this.pick(WORDS), this.value(depth - 1)]),
        );
    }
  }

  /** A right value with something in it replaced, now and then more than one thing, now and then nothing. */
  mutated(right: unknown): unknown {
    if (this.chance(0.12)) return this.value(2);
    if (Array.isArray(right)) return right.map((item) => this.mutated(item));
    if (typeof right !== 'object' || right === null) return right;
    const entries = Object.entries(right).filter(() => !this.chance(0.02));
    return Object.fromEntries(
      entries.map(([key, value]) => [key, this.chance(0.2) ? this.mutated(value) : value]),
    );
  }

  /** Bytes: noise, tokens and whole messages in any order. */
  stream(): Buffer {
    const parts = Array.from({ length: 1 + this.below(6) }, () => {
      switch (this.below(4)) {
        case 0:
          return Buffer.from(Array.from({ length: this.below(20) }, () => this.below(256)));
        case 1:
          return Buffer.from(this.pick(TOKENS));
        case 2:
          return Buffer.from([this.pick([0xff, 0x0a, 0xc3, 0x00])]);
        default:
          return Buffer.from(`${JSON.stringify(this.value(2))}\n`);
      }
    });
    return Buffer.concat(parts);
  }

  slices(bytes: Buffer): Buffer[] {
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + this.below(this.chance(0.5) ? 4 : 100);
      pieces.push(bytes.subarray(at, at + size));
      at += size;
    }
    return pieces;
  }
}
