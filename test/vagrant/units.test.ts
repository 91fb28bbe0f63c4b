import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import { test } from 'node:test';
import * as z from 'zod/mini';
import { projectRoot } from '../support/program.ts';

/** rspec's examples, each as a test of this level. */
const Report = z.object({
  examples: z.array(
    z.object({
      full_description: z.string(),
      status: z.string(),
      exception: z.optional(z.object({ message: z.string() })),
    }),
  ),
});

const { examples } = z.parse(Report, JSON.parse(rspec()));

for (const { full_description, status, exception } of examples) {
  test(full_description, () => {
    if (status !== 'passed') throw new Error(exception?.message ?? `rspec says ${status}`);
  });
}

test('rspec found the specs', () => {
  if (examples.length < 40) throw new Error(`${examples.length} examples`);
});

function rspec(): string {
  const cwd = path.join(projectRoot(), 'vagrant');
  try {
    return execFileSync('rspec', ['-I', 'lib', '--format', 'json', 'spec'], {
      cwd,
      encoding: 'utf8',
    });
  } catch (error) {
    // Failed examples are in the report; without one nothing ran.
    const { stdout } = error as { stdout?: string };
    if (stdout?.startsWith('{') === true) return stdout;
    throw error;
  }
}
