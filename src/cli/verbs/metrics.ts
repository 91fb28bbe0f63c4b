import { Option } from 'commander';
import { InputError } from '../../errors.ts';
import { uptimeSeconds } from '../../host/uptime.ts';
import { prometheusText } from '../../metrics/prometheus/text.ts';
import { writeTextfile } from '../../metrics/prometheus/textfile.ts';
import { readAll } from '../../metrics/read-all.ts';
import { readVm } from '../../metrics/read-vm.ts';
import type { Records } from '../../metrics/view.ts';
import { parseVmName } from '../../types.ts';
import type { ReadHost } from '../../vm/host.ts';
import type { Invocation, LookingVerb } from '../invocation.ts';
import { stringOption } from '../options.ts';

export const verb: LookingVerb = {
  summary: 'print what a VM uses, as one JSON object',
  oneWord: true,
  declare(command) {
    command
      .argument('[name]', 'the VM')
      .option('--all', 'every VM: one JSON object a line, with its name')
      .option(
        '--extended',
        'more: throttling, pressure, steal, KVM exits, counters, age of each part',
      )
      .addOption(
        new Option('--format <format>', 'json or prometheus').choices(['json', 'prometheus']),
      )
      .option('--textfile <file>', "write it to a file for node-exporter's textfile collector")
      .addHelpText(
        'after',
        `
While the resident sampler runs (blockhost-qemu statd) this is what it measured last. Without it, each call
takes a sample, and rates are averages since the call before: the first one after a start gives 0 for them.

Examples:
  blockhost-qemu metrics web1
  blockhost-qemu metrics --all --extended
  blockhost-qemu metrics --all --textfile /var/lib/prometheus/node-exporter/blockhost.prom`,
      );
  },
  async run(invocation) {
    const { options, out } = invocation;
    const file = stringOption(options, 'textfile');
    const prometheus = options.format === 'prometheus' || file !== undefined;
    if (file !== undefined && options.format === 'json') {
      throw new InputError('--textfile writes the prometheus format only');
    }
    const extended = options.extended === true;
    const records = await wanted(invocation, extended || prometheus);
    if (file !== undefined) writeTextfile(file, records);
    else if (prometheus) out.raw(Buffer.from(prometheusText(records)));
    else {
      for (const [name, found] of records) {
        const named = options.all === true ? { vm_name: name } : {};
        out.line(JSON.stringify({ ...named, ...found.record, ...(extended ? more(found) : {}) }));
      }
    }
    return 0;
  },
};

async function wanted(
  { args, options, host, out }: Invocation<ReadHost>,
  extended: boolean,
): Promise<Map<string, Records>> {
  const [name] = args;
  if (options.all === true) {
    if (name !== undefined) throw new InputError('give the name of a VM, or --all, not both');
    return await readAll(host.paths, { extended, report: (line) => out.note(line) });
  }
  if (name === undefined) {
    throw new InputError("missing required argument 'name'", { hint: 'or use --all' });
  }
  const vm = parseVmName(name);
  return new Map([[vm, await readVm(host.paths, vm, { extended })]]);
}

/** Ages instead of moments: whoever reads it need not know the host's uptime. */
function more({ extended }: Records): Record<string, unknown> {
  const { read_at, ...rest } = extended;
  const now = uptimeSeconds();
  const ages = Object.entries(read_at).map(([part, at]) => [
    part,
    at === null ? null : Math.max(0, Math.round((now - at) * 10) / 10),
  ]);
  return { ...rest, age_seconds: Object.fromEntries(ages) };
}
