import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BlankVms } from '../support/many/blank-vms.ts';
import { RandomLife } from '../support/many/random-life.ts';
import { Random } from '../support/random.ts';
import { Sandbox } from '../support/sandbox.ts';

/** SOAK_MINUTES bounds it, and says so when it was not enough for all of them. */
const OPERATIONS = Number(process.env.SOAK_OPERATIONS ?? 2000);
const MINUTES = Number(process.env.SOAK_MINUTES ?? 20);
const LANES = 4;

test(`${OPERATIONS} random verbs on 20 VMs, some of them killed: nothing lost, nothing left`, async (t) => {
  const random = new Random();
  t.diagnostic(random.told);
  const vms = await BlankVms.make(await Sandbox.make({ after }, { accel: 'tcg' }));
  const end = performance.now() + MINUTES * 60_000;
  const lives = Array.from({ length: LANES }, (_, lane) => {
    const names = Array.from({ length: 20 / LANES }, (__, i) => `s${lane}-${i}`);
    return new RandomLife(vms, names, new Random(random.seed + lane));
  });
  const goesOn = (done: number): boolean => done < OPERATIONS / LANES && performance.now() < end;
  await Promise.all(lives.map((life) => life.live(goesOn)));
  const found = await vms.differences();
  for (const life of lives) found.push(...(await life.finish()));
  found.push(...(await vms.differences()));
  const sum = (of: (life: RandomLife) => number): number => lives.reduce((n, l) => n + of(l), 0);
  t.diagnostic(
    `${sum(({ done }) => done)} verbs, ${sum(({ killed }) => killed)} of them killed, ` +
      `${sum(({ checked }) => checked)} disks read, ${found.length} differences`,
  );
  assert.deepEqual(found, []);
});
