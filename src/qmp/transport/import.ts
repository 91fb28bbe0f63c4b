import * as z from 'zod/mini';
import { describeMismatch } from '../../host/mismatch.ts';

/** Any zod schema. */
export type Schema<T = unknown> = z.ZodMiniType<T>;

/** The result of a command that only says "done". */
export const nothing = z.pipe(
  z.unknown(),
  z.transform(() => undefined),
);

/** Gives the schema of a name, made when it is first asked for: a verb needs few of many. */
export function schemasOf<N extends string>(
  makers: Readonly<Record<N, () => Schema>>,
): (name: N) => Schema {
  const made = new Map<N, Schema>();
  return (name) => {
    const schema = made.get(name) ?? makers[name]();
    made.set(name, schema);
    return schema;
  };
}

export type Imported<T> = { value: T } | { mismatch: string };

/** Reads what the schema names out of outside data, or says in one line which field is wrong and how. */
export function importShape<T>(schema: Schema<T>, input: unknown): Imported<T> {
  const result = z.safeParse(schema, input);
  return result.success
    ? { value: result.data }
    : { mismatch: describeMismatch(result.error, input) };
}
