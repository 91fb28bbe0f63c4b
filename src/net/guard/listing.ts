import * as z from 'zod/mini';
import { ProvisionerError } from '../../errors.ts';
import { describeMismatch } from '../../host/mismatch.ts';
import type { Element, GuardSet } from './plan.ts';
import { GUARD_CHAINS, GUARD_SETS } from './rules.ts';

export interface Listing {
  /** In the form the plans write them. */
  elements: (Element & { tap: string })[];
  /** Each chain is there with as many rules as it must have. */
  rulesComplete: boolean;
}

const Value = z.union([z.string(), z.number()]);
const Item = z.union([Value, z.object({ concat: z.tuple([z.string(), Value]) })]);
const Entry = z.object({
  set: z.optional(z.object({ name: z.string(), elem: z.optional(z.array(Item)) })),
  rule: z.optional(z.object({ chain: z.string() })),
  chain: z.optional(z.object({ name: z.string() })),
});
const Output = z.object({ nftables: z.array(Entry) });

/** Reads the output of `nft -j list table`. */
export function parseListing(json: string): Listing {
  const content: unknown = JSON.parse(json);
  const parsed = z.safeParse(Output, content);
  if (!parsed.success)
    throw new ProvisionerError(
      `nft lists the network filter in a way not known here: ${describeMismatch(parsed.error, content)}`,
    );
  const entries = parsed.data.nftables;
  const elements = entries.flatMap(({ set }) =>
    set !== undefined && isGuardSet(set.name) ? elementsIn(set.name, set.elem ?? []) : [],
  );
  const rulesComplete = GUARD_CHAINS.every(
    ({ name, rules }) =>
      entries.some(({ chain }) => chain?.name === name) &&
      entries.filter(({ rule }) => rule?.chain === name).length === rules.length,
  );
  return { elements, rulesComplete };
}

function elementsIn(set: GuardSet, items: readonly z.infer<typeof Item>[]): Listing['elements'] {
  return items.map((item) => {
    if (typeof item !== 'object') return { set, tap: String(item), value: `"${item}"` };
    const [tap, value] = item.concat;
    // Numbers beyond 64 bits come as a string of hexadecimal digits already.
    const written = typeof value === 'number' ? `0x${value.toString(16)}` : value;
    return { set, tap, value: `"${tap}" . ${hexWithoutZeros(written)}` };
  });
}

function hexWithoutZeros(value: string): string {
  return /^0x/.test(value) ? `0x${BigInt(value).toString(16)}` : value;
}

function isGuardSet(name: string): name is GuardSet {
  return name in GUARD_SETS;
}
