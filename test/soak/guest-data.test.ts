import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { sleep } from '../../src/host/time.ts';
import { Random } from '../support/random.ts';
import { Sandbox } from '../support/sandbox.ts';

const ROUNDS = Number(process.env.SOAK_ROUNDS ?? 25);
const VMS = ['g1', 'g2'];

/** The agent answers before the guest has mounted its disk; a guest that powers off has it no more. */
const MOUNTED = "grep -q ' /data ' /proc/mounts || exit 1";
/** Files named by the checksum of what they hold, said to be there when the disk has them. */
const WRITE = `${MOUNTED}
mkdir -p /data/sums; cd /data/sums; for i in 1 2 3; do
  head -c 20000 /dev/urandom >new; sum=$(sha256sum <new | cut -c1-64); sync; mv new $sum; sync; echo $sum; done`;
const READ = `${MOUNTED}
cd /data/sums && rm -f new && sha256sum * | while read -r sum name; do [ $sum = $name ] && echo $sum; done; :`;

const sandbox = await Sandbox.make({ after }, { accel: 'tcg' });

/** What is done to a VM whose guest runs; some of it is killed half-way. */
const TROUBLE: readonly ((name: string, round: number) => string[])[] = [
  (name) => ['kill', name],
  (name) => ['stop', name],
  (name) => ['pause', name],
  (name, round) => ['snapshot', 'create', name, `r${round}`],
  (name) => ['throttle', name, '--iops-write', '400'],
  (name) => ['throttle', name, '--reset'],
];

test(`what ${VMS.length} guests have written is there after ${ROUNDS} rounds of trouble`, async (t) => {
  const random = new Random();
  t.diagnostic(random.told);
  let files = 0;
  const live = async (name: string, own: Random): Promise<void> => {
    await sandbox.create(name);
    const written = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const sum of (await inGuest(name, WRITE)).split('\n')) written.add(sum);
      const [verb = '', ...args] = own.pick(TROUBLE)(name, round);
      const running = sandbox.begin(verb, args);
      if (own.chance(0.4)) {
        await Promise.race([running.done, sleep(own.below(1500))]);
        running.child.kill('SIGKILL');
      }
      await running.done;
      await sandbox.ok('start', [name]);
      const found = new Set((await inGuest(name, READ)).split('\n'));
      const lost = [...written].filter((sum) => !found.has(sum));
      assert.deepEqual(lost, [], `${name}, round ${round}, after ${verb}`);
    }
    files += written.size;
    await sandbox.ok('destroy', [name]);
  };
  await Promise.all(VMS.map((name, i) => live(name, new Random(random.seed + i))));
  t.diagnostic(`${files} files read again after each of ${ROUNDS} rounds`);
});

/** What a command in the guest prints, as soon as its agent answers again. */
async function inGuest(name: string, command: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { code, stdout, stderr } = await sandbox.run('guest-exec', [name, command]);
    if (code === 0) return stdout.trimEnd();
    if (tries === 60) throw new Error(`${name}: ${stderr}`);
    // One that was asked to power off by a stop that was killed does so yet.
    if (tries % 10 === 9) await sandbox.ok('start', [name]);
    await sleep(1000);
  }
}
