import { uptimeSeconds } from '../../host/uptime.ts';
import { COLUMNS, type Point } from '../../metrics/history/format.ts';
import { historyOf } from '../../metrics/history/lookup.ts';
import { parseVmName } from '../../types.ts';
import type { LookingVerb } from '../invocation.ts';

export const verb: LookingVerb = {
  summary:
    'print what a VM used in the recent past: the last 10 minutes, or with --day the last day',
  declare(command) {
    command
      .argument('<name>', 'the VM')
      .option('--json', 'as one JSON object with both')
      .option('--day', 'one line a minute, of the last 24 hours')
      .addHelpText(
        'after',
        `
The resident sampler (blockhost-qemu statd) keeps it. Columns are named as in the output of metrics; a dash
is what was not known. Times are of the host's clock as it stands now.

Example:
  blockhost-qemu history web1 --json | jq '.fine.points[-1]'`,
      );
  },
  run({ args, options, host, out }) {
    const { fine, coarse } = historyOf(host.paths, parseVmName(args[0]));
    const clock = Date.now() - uptimeSeconds() * 1000;
    const timeOf = ({ at }: Point): string => new Date(clock + at * 100).toISOString();
    if (options.json === true) {
      const part = ({ everyMs, points }: typeof fine) => ({
        every_seconds: everyMs / 1000,
        points: points.map((point) => ({ time: timeOf(point), ...rounded(point) })),
      });
      out.line(JSON.stringify({ fine: part(fine), coarse: part(coarse) }));
      return Promise.resolve(0);
    }
    out.line(['time', ...COLUMNS].join('\t'));
    for (const point of (options.day === true ? coarse : fine).points) {
      const values = rounded(point);
      out.line([timeOf(point), ...COLUMNS.map((column) => values[column] ?? '-')].join('\t'));
    }
    return Promise.resolve(0);
  },
};

/** Stored as 32-bit floats: no more digits than those hold. */
function rounded({ values }: Point): Point['values'] {
  const copy = { ...values };
  for (const column of COLUMNS) {
    const value = copy[column];
    if (value !== null) copy[column] = Number(value.toPrecision(6));
  }
  return copy;
}
