import * as z from 'zod/mini';
import { ProvisionerError } from '../errors.ts';
import { readJsonIfExists } from './files.ts';
import { describeMismatch } from './mismatch.ts';

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
  throw new ProvisionerError(`${file} is damaged: ${describeMismatch(result.error, content)}`, {
    hint: 'restore it from a backup, or move it away',
  });
}
