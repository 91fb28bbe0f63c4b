import * as z from 'zod/mini';
import { quote } from '../../types.ts';

/** Any zod schema. */
export type Schema<T = unknown> = z.ZodMiniType<T>;

/** The result of a command that only says "done". */
export const nothing = z.pipe(
  z.unknown(),
  z.transform(() => undefined),
);

export type Imported<T> = { value: T } | { mismatch: string };

/** Reads what the schema names out of outside data, or says in one line which field is wrong and how. */
export function importShape<T>(schema: Schema<T>, input: unknown): Imported<T> {
  const result = z.safeParse(schema, input);
  return result.success
    ? { value: result.data }
    : { mismatch: describe(result.error.issues[0], input) };
}

function describe(issue: z.core.$ZodIssue | undefined, input: unknown): string {
  if (issue === undefined) return 'it is not as expected';
  let found = input;
  let where = '';
  for (const key of issue.path) {
    found = isObject(found) ? found[String(key)] : undefined;
    where += typeof key === 'number' ? `[${key}]` : `${where === '' ? '' : '.'}${String(key)}`;
  }
  return `${where === '' ? 'it' : where} should be ${expected(issue)}, found ${nameOf(found)}`;
}

function expected(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'array' || issue.expected === 'object'
        ? `an ${issue.expected}`
        : `a ${issue.expected}`;
    case 'invalid_value':
      return issue.values.map(String).join(' or ');
    case 'too_small':
      return `${String(issue.minimum)} or more`;
    case 'too_big':
      return `${String(issue.maximum)} or less`;
    default:
      return 'of another kind';
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Never walks into the value: a hostile one may be nested too deep to print. */
function nameOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? quote(value) : String(value);
}
