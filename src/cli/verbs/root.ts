import { InputError } from '../../errors.ts';
import { answer } from '../../root/door.ts';
import { workPublish } from '../../root/publish.ts';
import { isRequestName, REQUESTS } from '../../root/requests.ts';
import { Sessions } from '../../root/sessions.ts';
import { workSettle } from '../../root/settle.ts';
import { serveRoot } from '../../root/split.ts';
import { workVerify } from '../../root/verify.ts';
import { quote } from '../../types.ts';
import { openedBy, passedStdout } from '../files.ts';
import type { ActingVerb } from '../invocation.ts';
import { collect, stringOption, strings } from '../options.ts';

/** A seed's user-data may be 1 MiB, and JSON escapes some of it. */
const MAX_INPUT = 8 * 1024 * 1024;
const INPUT_MS = 10_000;

export const verb: ActingVerb = {
  summary: 'answer a request of the unprivileged side (for the root agent, not for people)',
  privileges: 'root',
  declare(command) {
    command
      .argument('[request]', `one of ${Object.keys(REQUESTS).join(', ')}`)
      .option('--serve', 'answer many requests, a line each')
      .option('--backup-to <file>', 'where the backup of the command it serves goes to')
      .option('--restore-from <file>', 'a file that it restores (repeatable)', collect, [])
      .option(
        '--settle <name>',
        'end what a killed backup has left, for a request that has no time',
      )
      .option('--publish <token>', 'work on a job that a request has begun')
      .option('--verify <template>', 'read a template through, for a request that has no time')
      .addHelpText('after', '\nParameters come as JSON on stdin, the reply goes to stdout.');
  },
  async run({ args, options, host, out }) {
    if (process.getuid?.() !== 0) throw new InputError('only root can answer for root');
    if (options.serve === true) {
      const named = {
        backupTo: stringOption(options, 'backupTo'),
        restoreFrom: strings(options.restoreFrom),
      };
      await serveRoot(host, new Sessions(host, openedBy(named, passedStdout)));
      return 0;
    }
    const job = stringOption(options, 'publish');
    if (job !== undefined) {
      await workPublish(host, job);
      return 0;
    }
    const settled = stringOption(options, 'settle');
    if (settled !== undefined) {
      await workSettle(host, settled);
      return 0;
    }
    const template = stringOption(options, 'verify');
    if (template !== undefined) {
      await workVerify(host, template);
      return 0;
    }
    const request = args[0] ?? '';
    if (!isRequestName(request)) throw new InputError(`there is no request ${quote(request)}`);
    // The root agent serves nobody else meanwhile.
    const reply = await answer({ ...host, inHaste: true }, request, await readInput());
    out.line(JSON.stringify(reply));
    return reply.ok ? 0 : 1;
  },
};

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => {
    process.stdin.destroy(new InputError('the parameters did not come in time'));
  }, INPUT_MS);
  try {
    for await (const chunk of process.stdin) {
      size += (chunk as Buffer).length;
      if (size > MAX_INPUT) throw new InputError('the parameters are larger than 8 MiB');
      chunks.push(chunk as Buffer);
    }
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
