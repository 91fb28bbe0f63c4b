import * as z from 'zod/mini';
import { InputError } from '../errors.ts';
import type { Settings } from '../host/config.ts';
import { describeMismatch } from '../host/mismatch.ts';

const LastOctet = z.int().check(z.gte(1), z.lte(254));

/** The part of db.yaml that is ours to read, as the helper hands it over. */
const DbYaml = z.object({
  bridge: z.optional(z.nullable(z.string().check(z.regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/)))),
  ip_pool: z.object({
    network: z.string().check(z.regex(/^[0-9.]+\/\d{1,2}$/)),
    start: LastOctet,
    end: LastOctet,
    gateway: z.ipv4(),
  }),
  gc_grace_days: z._default(z.int().check(z.gte(0)), 7),
  default_expiry_days: z._default(z.int().check(z.gte(0), z.lte(36_500)), 30),
});

type FromDbYaml = Pick<
  Settings,
  'bridge' | 'ip_pool' | 'gc_grace_days' | 'default_expiry_days' | 'network'
>;

/**
 * Settings of a BlockHost host: db.yaml's, except where our own configuration file says otherwise.
 * @throws InputError naming the key of db.yaml that is wrong.
 */
export function withDbYaml(
  settings: Settings,
  given: ReadonlySet<string>,
  content: unknown,
): Settings {
  const parsed = z.safeParse(DbYaml, content);
  if (!parsed.success) {
    throw new InputError(`db.yaml: ${describeMismatch(parsed.error, content)}`, {
      hint: 'correct it, or run the setup wizard again',
    });
  }
  const { bridge, ...rest } = parsed.data;
  const found: Partial<FromDbYaml> = {
    ...rest,
    ...(bridge === undefined || bridge === null ? {} : { bridge, network: 'bridge' }),
  };
  const taken = Object.entries(found).filter(([key]) => !given.has(key));
  return { ...settings, ...Object.fromEntries(taken) };
}
