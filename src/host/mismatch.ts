import type * as z from 'zod/mini';
import { quote } from '../types.ts';

/** The first thing wrong with outside data, in one line: which field, what it should be, what it is. */
export function describeMismatch(error: z.core.$ZodError, input: unknown): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'it is not as expected';
  if (issue.code === 'unrecognized_keys')
    return `the key ${issue.keys.map(quote).join(', ')} is not known`;
  let found = input;
  let where = '';
  for (const key of issue.path) {
    found = isObject(found) ? found[String(key)] : undefined;
    where += step(key, where);
  }
  return `${where === '' ? 'it' : where} should be ${expected(issue)}, found ${nameOf(found)}`;
}

/** A key may be anything where they are free, also what a terminal obeys. */
function step(key: PropertyKey, where: string): string {
  if (typeof key === 'number') return `[${key}]`;
  const text = String(key);
  const plain = /^[\w-]{1,80}$/.test(text);
  return plain ? `${where === '' ? '' : '.'}${text}` : `[${quote(text)}]`;
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
    case 'invalid_format':
      return issue.pattern === undefined
        ? `of the form ${issue.format}`
        : `of the form ${issue.pattern}`;
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
