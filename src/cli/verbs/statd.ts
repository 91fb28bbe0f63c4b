import * as fs from 'node:fs';
import { Option } from 'commander';
import { InputError } from '../../errors.ts';
import { keepHeapSmall } from '../../host/small-heap.ts';
import { Textfile } from '../../metrics/prometheus/textfile.ts';
import { Restarter } from '../../metrics/statd/restarter.ts';
import { Statd } from '../../metrics/statd/statd.ts';
import { quote } from '../../types.ts';
import type { LookingVerb } from '../invocation.ts';
import { stringOption } from '../options.ts';

export const verb: LookingVerb = {
  summary: 'watch all VMs and publish what they use, until it is ended',
  declare(command) {
    command
      .addOption(new Option('--interval <seconds>', 'between two samples of a VM').default('2'))
      .option('--textfile <file>', "keep a file for node-exporter's textfile collector up to date")
      .option('--foreground', 'stay in the foreground, as it always does')
      .addHelpText(
        'after',
        `
Metrics and status are then read from what it publishes, which costs a millisecond instead of a sample.
Without it they work all the same. The unit blockhost-qemu-statd.service runs it.

Example:
  blockhost-qemu statd --interval 2 &`,
      );
  },
  async run({ options, host, out }) {
    const file = stringOption(options, 'textfile');
    const textfile = file === undefined ? undefined : new Textfile(file, (line) => out.note(line));
    const restarter = Restarter.of(host.paths, fs.realpathSync(process.argv[1] ?? ''));
    const statd = new Statd({
      paths: host.paths,
      intervalMs: intervalMs(stringOption(options, 'interval') ?? '2'),
      report: (line) => out.note(line),
      onRecords: (name, records) => textfile?.put(name, records),
      onGone: (name) => textfile?.remove(name),
      onMark: () => restarter?.poke(),
    });
    keepHeapSmall();
    statd.start();
    await ended(host.signal);
    statd.stop();
    textfile?.stop();
    return 0;
  },
};

function intervalMs(text: string): number {
  const seconds = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds >= 0.2 && seconds <= 3600) return Math.round(seconds * 1000);
  throw new InputError(`--interval ${quote(text)} is not possible`, {
    hint: 'use 0.2 to 3600 seconds',
  });
}

/** SIGTERM and SIGINT end it, in order. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
