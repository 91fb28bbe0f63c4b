import * as z from 'zod/mini';
import { ProvisionerError } from '../../errors.ts';
import { describeMismatch } from '../../host/mismatch.ts';
import type { Bucket } from './plan.ts';

const Qdiscs = z.array(
  z.object({
    kind: z.string(),
    root: z.optional(z.boolean()),
    options: z.optional(z.object({ rate: z.optional(z.number()), burst: z.optional(z.number()) })),
  }),
);

const Filters = z.array(
  z.object({
    kind: z.string(),
    options: z.optional(
      z.object({
        actions: z.optional(
          z.array(z.object({ kind: z.string(), to_dev: z.optional(z.string()) })),
        ),
      }),
    ),
  }),
);

/** Reads `tc -j qdisc show dev DEVICE`. @returns the bucket at its root, if that is what is there. */
export function parseBucket(json: string): Bucket | undefined {
  const root = read(Qdiscs, json).find((qdisc) => qdisc.root === true);
  const { rate, burst } = root?.options ?? {};
  if (root?.kind !== 'tbf' || rate === undefined) return undefined;
  return { bytesPerSecond: rate, bytes: burst ?? 0 };
}

/** Reads `tc -j filter show dev DEVICE ingress`. @returns whether a filter leads to that device. */
export function leadsTo(json: string, device: string): boolean {
  return read(Filters, json).some(({ options }) =>
    options?.actions?.some(({ kind, to_dev }) => kind === 'mirred' && to_dev === device),
  );
}

/** Reads `tc -j qdisc show dev DEVICE`. @returns whether there is a place for filters. */
export function hasClsact(json: string): boolean {
  return read(Qdiscs, json).some(({ kind }) => kind === 'clsact');
}

/** Reads `tc -j filter show dev DEVICE DIRECTION`. @returns whether there is any filter, whoever's. */
export function hasFilter(json: string): boolean {
  return read(Filters, json).length > 0;
}

function read<T extends z.core.$ZodType>(schema: T, json: string): z.output<T> {
  const content: unknown = JSON.parse(json.trim() === '' ? '[]' : json);
  const result = z.safeParse(schema, content);
  if (result.success) return result.data;
  throw new ProvisionerError(
    `tc lists in a way not known here: ${describeMismatch(result.error, content)}`,
  );
}
