import * as z from 'zod/mini';
import { ProvisionerError } from '../errors.ts';
import { quote } from '../types.ts';
import { readJsonIfExists } from './files.ts';

/** The first thing wrong, as "key.path: what was expected"; fit for one line. */
export function describeIssue(error: z.core.$ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'is not as expected';
  const where = issue.path.length === 0 ? '' : `${issue.path.map(String).join('.')}: `;
  return `${where}${wording(issue)}`.replace(/\s+/g, ' ').slice(0, 300);
}

/** zod/mini brings no messages of its own. */
function wording(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${issue.expected}`;
    case 'invalid_value':
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'unrecognized_keys':
      return `unknown key ${issue.keys.map((key) => quote(key)).join(', ')}`;
    case 'too_big':
      return `expected at most ${issue.maximum}`;
    case 'too_small':
      return `expected at least ${issue.minimum}`;
    case 'invalid_format':
      return `expected a text of the form ${issue.pattern ?? issue.format}`;
    default:
      return issue.message;
  }
}

/**
 * A JSON file of ours, checked against its schema; undefined when there is none.
 * @throws ProvisionerError naming file and key when it is damaged.
 */
export function readValidated<T extends z.core.$ZodType>(
  file: string,
  schema: T,
): z.output<T> | undefined {
  const content = readJsonIfExists(file);
  if (content === undefined) return undefined;
  const result = z.safeParse(schema, content);
  if (result.success) return result.data;
  throw new ProvisionerError(`${file} is damaged: ${describeIssue(result.error)}`, {
    hint: 'restore it from a backup, or move it away',
  });
}
