import { sleep } from '../src/host/time.ts';
import { DirectIo, type IoKind } from '../test/support/guest-io/direct-io.ts';
import { diskRate } from '../test/support/guest-io/disk-rate.ts';
import { Namespace } from '../test/support/namespace.ts';
import { Stream } from '../test/support/net/stream.ts';
import { Sandbox } from '../test/support/sandbox.ts';
import { callerByAgent } from './root-agent.ts';
import { atMost, median, type Row, within } from './row.ts';
import { timed } from './world.ts';

const SECONDS = 20;
const ROUNDS = 11;
/** How far from a limit its use may be. */
const SHARE = 0.05;
const POOL = { network: '192.0.2.0/24', start: 10, end: 12, gateway: '192.0.2.1' };
/** The share of TCP's payload in a full Ethernet frame: 1448 of 1514 bytes. */
const PAYLOAD = 1448 / 1514;

/** Who is called at the end. */
interface Scope {
  after(end: () => Promise<void> | void): void;
}

interface Guest {
  namespace: Namespace;
  sandbox: Sandbox;
  /** What the command prints; it fails unless its exit code is 0. */
  ok(verb: string, ...args: string[]): Promise<string>;
}

/** Whether limits hold over 20 s as a guest meets them, and what a change of them costs. */
export async function throttleRows(): Promise<Row[]> {
  const ends: (() => Promise<void> | void)[] = [];
  const scope: Scope = { after: (end) => void ends.push(end) };
  try {
    const namespace = await Namespace.make(scope, '192.0.2.1/24');
    const { prefix } = namespace;
    const sandbox = await Sandbox.make(scope, {
      network: 'bridge',
      bridge: 'br0',
      ip_pool: POOL,
      access_group: 'nogroup',
    });
    const ok: Guest['ok'] = (verb, ...args) => sandbox.ok(verb, args, { prefix });
    const guest = { namespace, sandbox, ok };
    await ok('create', 'web1', ...sandbox.tiny, '--apply');
    const rows = [...(await costRows(guest, scope)), ...(await bandwidthRows(guest))];
    return [...rows, ...(await diskRows(guest, scope))];
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function costRows(
  { sandbox, namespace: { prefix }, ok }: Guest,
  scope: Scope,
): Promise<Row[]> {
  const byAgent = await callerByAgent(scope, sandbox, prefix);
  const [node, root, agent]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    const value = String(1000 + round);
    const args = ['web1', '--bandwidth-in', value, '--bandwidth-out', value, '--iops-read', value];
    node.push((await timed(process.execPath, ['-e', '0'])).seconds);
    root.push((await sandbox.run('throttle', args, { prefix })).seconds);
    args[2] = args[4] = args[6] = String(2000 + round);
    agent.push(await byAgent('throttle', args));
  }
  await ok('throttle', 'web1', '--reset');
  // What the machine was busy with meanwhile shows here, too.
  process.stderr.write(`a bare start of Node: ${median(node).toFixed(3)} s\n`);
  return [
    atMost('throttle of three limits, as root', median(root), 's', 0.4),
    atMost('throttle of three limits, through the root agent', median(agent), 's', 0.6),
  ];
}

async function bandwidthRows(guest: Guest): Promise<Row[]> {
  const rows: Row[] = [];
  let port = 5000;
  for (const [way, option, kind] of [
    ['from the guest', '--bandwidth-out', 'sink'],
    ['to the guest', '--bandwidth-in', 'source'],
  ] as const) {
    for (const mbit of [1, 10, 50]) {
      await guest.ok('throttle', 'web1', option, String(mbit * 1000));
      const stream = await Stream.listen(guest.namespace, kind, ++port);
      const client = `nc 192.0.2.1 ${port} ${kind === 'sink' ? '</dev/zero' : '>/dev/null'}`;
      await guest.ok('guest-exec', 'web1', `(${client}) </dev/null >/dev/null 2>&1 &`);
      await stream.reach(SECONDS + 1);
      const first = (stream.points.find(({ at }) => at >= 1)?.bytes ?? Number.NaN) * 8;
      const rate = stream.rate(1, SECONDS + 1) / 1e6;
      stream.close();
      const what = `${mbit} Mbit/s ${way}`;
      rows.push(
        within(`${what}: TCP payload`, rate, 'Mb/s', mbit * PAYLOAD, SHARE),
        atMost(`${what}: first second, of the rate`, first / (mbit * 1e6), 'x', 2),
      );
    }
    await guest.ok('throttle', 'web1', '--reset');
  }
  return rows;
}

/** Each limit with the requests that are under way: one by one does not get an emulated guest to thousands. */
const DISK = [
  { limit: 50, depth: 1 },
  { limit: 500, depth: 1 },
  { limit: 5000, depth: 32 },
];

async function diskRows(guest: Guest, scope: Scope): Promise<Row[]> {
  const rows: Row[] = [];
  const inGuest = (command: string): Promise<string> => guest.ok('guest-exec', 'web1', command);
  const io = await DirectIo.install(scope, inGuest);
  for (const { limit, depth } of DISK) {
    const asked = String(limit);
    const use = async (kinds: readonly IoKind[]): Promise<Record<IoKind, number>> => {
      await guest.ok(
        'throttle',
        'web1',
        '--reset',
        ...kinds.flatMap((k) => [`--iops-${k}`, asked]),
      );
      for (const kind of kinds) await io.begin(kind, depth);
      const used = await operations(guest.sandbox);
      await io.end();
      return used;
    };
    const [reads, writes] = [await use(['read']), await use(['write'])];
    const mixed = await use(['read', 'write']);
    rows.push(
      within(`direct reads, limit ${limit}`, reads.read, '/s', limit, SHARE),
      within(`direct writes, limit ${limit}`, writes.write, '/s', limit, SHARE),
      within(`direct reads, both limits ${limit}`, mixed.read, '/s', limit, SHARE),
      within(`direct writes, both limits ${limit}`, mixed.write, '/s', limit, SHARE),
    );
  }
  return rows;
}

/** What the guest does in a second. */
async function operations(sandbox: Sandbox): Promise<Record<IoKind, number>> {
  const monitor = sandbox.files('web1').probe;
  await sleep(1500);
  return await diskRate(monitor, SECONDS);
}
