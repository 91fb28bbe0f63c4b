import * as fs from 'node:fs';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { readFileIfExists, writeFileAtomic } from '../host/files.ts';
import { AgentReadings } from './agent-readings.ts';
import { Counters } from './counters.ts';

/** What one call leaves for the next one when nobody samples all the time. */
const KeptSample = z.object({
  counters: Counters,
  /** What the agent said, and when on the monotonic clock. */
  agent: z.nullable(z.object({ atMs: z.number(), readings: AgentReadings })),
});
export type KeptSample = z.infer<typeof KeptSample>;

/** The sample an earlier call left; a missing or a damaged one only costs the rates of this call. */
export function readKeptSample(file: string): KeptSample | undefined {
  try {
    const text = readFileIfExists(file);
    const result = z.safeParse(KeptSample, text === undefined ? undefined : JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

/** Failing to keep it (a full disk, a foreign owner) must not fail the call. */
export function keepSample(file: string, sample: KeptSample): void {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    writeFileAtomic(file, JSON.stringify(sample), { mode: 0o644, sync: false });
  } catch {
    // The next call's rates will be 0.
  }
}
