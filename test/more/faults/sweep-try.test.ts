import { after, test } from 'node:test';
import { SCENARIOS } from '../../support/inject/scenarios.ts';
import { sweep } from '../../support/inject/sweep.ts';
import { findings, tableOf, writeTable } from '../../support/inject/table.ts';
import { Sandbox } from '../../support/sandbox.ts';

test('try', async () => {
  const wanted = process.env.SC ?? '';
  const hows = (process.env.HOW ?? 'kill,kill after,error,hang').split(',') as never;
  const boxes = [];
  for (let i = 0; i < Number(process.env.LANES ?? 3); i++)
    boxes.push(await Sandbox.make({ after }, { accel: 'tcg' }));
  const results = await sweep(
    SCENARIOS.filter((s) => s.name.startsWith(wanted)),
    boxes,
    { every: Number(process.env.EVERY ?? 1), hows },
  );
  writeTable(`try${wanted.replace(/\W/g, '')}`, results);
  console.log(tableOf(results));
  for (const f of findings(results)) console.log(f);
});
