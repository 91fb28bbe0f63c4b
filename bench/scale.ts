import * as fs from 'node:fs';
import * as path from 'node:path';
import { sleep } from '../src/host/time.ts';
import { Fleet, stubVms } from '../test/support/fleet/fleet.ts';
import { StatdProcess } from '../test/support/fleet/statd-process.ts';
import { atMost, type Row } from './row.ts';
import { scalePlot } from './scale-plot.ts';

const COUNTS = [1, 50, 100, 200, 500];
const INTERVAL_S = 2;
/** V8 compiles what runs often; a sampler runs for months. */
const SETTLE_MS = 11_000;
const MEASURE_MS = 10_000;

export interface ScalePoint {
  vms: number;
  /** % of one core. */
  cpu: number;
  residentMb: number;
}

/** What the resident sampler costs, by the number of VMs: stub monitors and agents, real reads of /proc and /sys. */
export async function scaleRows(): Promise<Row[]> {
  const points: ScalePoint[] = [];
  for (const vms of COUNTS) points.push(await measure(vms));
  save(points);
  const [one, full] = [points[0], points.at(-1)];
  const at200 = points.find(({ vms }) => vms === 200);
  if (one === undefined || full === undefined || at200 === undefined) throw new Error('no points');
  const perSample = ({ vms, cpu }: ScalePoint): number => (cpu / 100) * INTERVAL_S * (1000 / vms);
  const mostMemory = Math.max(
    ...points.map(({ vms, residentMb }) => residentMb - (vms * 60) / 1024),
  );
  return [
    atMost('statd: CPU per VM and sample, 200 VMs', perSample(at200), 'ms', 0.5),
    atMost('statd: CPU per VM and sample, 500 VMs', perSample(full), 'ms', 0.5),
    atMost('statd: 200 VMs every 2 s', at200.cpu, '%', 6),
    atMost('statd: memory beyond 60 KB per VM, 1 to 500 VMs', mostMemory, 'MB', 60),
    // Linear: what is added per VM does not grow.
    atMost(
      'statd: CPU per VM at 500 VMs, against 100',
      perSample(full) / perSample(points[2] ?? full),
      'x',
      1.3,
    ),
  ];
}

async function measure(count: number): Promise<ScalePoint> {
  const fleet = new Fleet();
  try {
    const vms = stubVms(count);
    await fleet.add(vms);
    const statd = await StatdProcess.start(fleet, vms);
    try {
      await sleep(SETTLE_MS);
      const [began, before] = [performance.now(), statd.cpuSeconds];
      await sleep(MEASURE_MS);
      const seconds = (performance.now() - began) / 1000;
      const cpu = ((statd.cpuSeconds - before) / seconds) * 100;
      const point = { vms: count, cpu: round(cpu), residentMb: round(statd.residentMb) };
      process.stderr.write(`${JSON.stringify(point)}\n`);
      return point;
    } finally {
      await statd.stop();
    }
  } finally {
    await fleet.remove();
  }
}

/** build/statd-scale.json and .svg, for docs/metrics.md. */
function save(points: readonly ScalePoint[]): void {
  const build = path.join(process.cwd(), 'build');
  fs.mkdirSync(build, { recursive: true });
  fs.writeFileSync(path.join(build, 'statd-scale.json'), `${JSON.stringify(points, null, 2)}\n`);
  fs.writeFileSync(path.join(build, 'statd-scale.svg'), scalePlot(points));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
