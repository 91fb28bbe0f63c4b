import { after } from 'node:test';
import { Namespace } from '../namespace.ts';
import { Running } from '../program.ts';
import { Sandbox } from '../sandbox.ts';
import { tinyGuest } from '../tiny-guest/build.ts';
import { BRIDGE_SCENARIOS } from './scenarios.ts';
import { type Result, sweep } from './sweep.ts';

interface Lane {
  every: number;
  first: number;
}

/** Says to the test file that it is to run one lane, and which. */
const LANE = 'INJECT_LANE';
const LIMIT_MS = 3_600_000;
// The first octets of a documentation network (RFC 5737); an address that leaks is soon missed.
const POOL = { network: '192.0.2.0/24', start: 10, end: 12, gateway: '192.0.2.1' };

export function isLane(): boolean {
  return process.env[LANE] !== undefined;
}

/**
 * A sweep of the scenarios on a bridge. Who audits a network wants it for himself: each lane has its own namespace, in
 * which the test file runs once more.
 */
export async function inNamespaces(lanes: number, { every, first }: Lane): Promise<Result[]> {
  await tinyGuest();
  const all = Array.from({ length: lanes }, async (_, index) => {
    const { prefix } = await Namespace.make({ after }, '192.0.2.1/24');
    const lane: Lane = { every: every * lanes, first: first + index * every };
    const options = { env: { [LANE]: JSON.stringify(lane) }, prefix, limitMs: LIMIT_MS };
    const { code, stdout, stderr } = await new Running(
      [process.execPath, process.argv[1] ?? ''],
      options,
    ).done;
    if (code !== 0) throw new Error(`a lane of the sweep failed: ${stderr}`);
    return JSON.parse(stdout) as Result[];
  });
  return (await Promise.all(all)).flat();
}

/** One lane, in the namespace it was put into. Its results are its stdout. */
export async function runLane(): Promise<void> {
  const { every, first } = JSON.parse(process.env[LANE] ?? '') as Lane;
  const hooks: (() => Promise<void>)[] = [];
  const scope = { after: (hook: () => Promise<void>): number => hooks.push(hook) };
  try {
    const settings = { accel: 'tcg', network: 'bridge', bridge: 'br0', ip_pool: POOL };
    const sandbox = await Sandbox.make(scope, settings);
    const results = await sweep(BRIDGE_SCENARIOS, [sandbox], { every, first });
    process.stdout.write(JSON.stringify(results));
  } finally {
    for (const hook of hooks) await hook();
  }
}
