import { InvalidArgumentError } from 'commander';
import { InputError } from '../../errors.ts';
import { LIMIT_KEYS, LIMIT_RANGES, type LimitKey } from '../../store/vm-limits.ts';
import { parseVmName } from '../../types.ts';
import { LIMIT_GROUPS } from '../../vm/limits/apply.ts';
import { measure } from '../../vm/limits/measure.ts';
import { idleBursts, type LimitChange, mergeLimits } from '../../vm/limits/merge.ts';
import { disagreeing, type ShownLimits, showLimits, throttleVm } from '../../vm/limits/throttle.ts';
import { changedLines, LIMIT_WORDS, limitLine } from '../../vm/limits/words.ts';
import type { ActingVerb, Invocation } from '../invocation.ts';

const OPTIONS: Record<LimitKey, [words: string, help: string]> = {
  cpu_shares: [
    '--cpu-shares <n>',
    'weight against other VMs when CPU time is scarce; default 1024',
  ],
  cpu_quota: ['--cpu-quota <percent>', "percent of the VM's vCPUs"],
  bandwidth_in: ['--bandwidth-in <kbit/s>', 'to the guest; 0 is unlimited'],
  bandwidth_out: ['--bandwidth-out <kbit/s>', 'from the guest; 0 is unlimited'],
  bandwidth_burst: ['--bandwidth-burst <kbit>', 'what may go at full speed after a pause'],
  iops_read: ['--iops-read <n>', 'disk reads per second; 0 is unlimited'],
  iops_write: ['--iops-write <n>', 'disk writes per second; 0 is unlimited'],
  iops_burst: ['--iops-burst <n>', 'operations per second allowed for a while after a pause'],
  iops_burst_seconds: ['--iops-burst-seconds <s>', 'how long that while is; default 1'],
  bps_read: ['--bps-read <bytes/s>', 'bytes read from disk; 0 is unlimited'],
  bps_write: ['--bps-write <bytes/s>', 'bytes written to disk; 0 is unlimited'],
};

/** Values of which 0 is none: the contract gives their ranges from 1. */
const WITHOUT_ZERO: readonly LimitKey[] = ['cpu_shares', 'cpu_quota'];
const VERIFY_SECONDS = 5;
const IDLE = 'has no effect until a rate is below it';

export const verb: ActingVerb = {
  summary: 'limit CPU, disk and bandwidth of a running VM, at once and until --reset',
  declare(command) {
    command.argument('<name>', 'the VM; it has to run');
    for (const key of LIMIT_KEYS) command.option(...OPTIONS[key], amount);
    command
      .option('--reset', 'take every limit away; limits given with it are set anew')
      .option('--show', 'print what was asked for and what is in force')
      .option('--json', 'with --show: as JSON')
      .option('--verify', `measure for ${VERIFY_SECONDS} s what the VM uses of its limits`)
      .addHelpText(
        'after',
        '\nLimits that are not named stay. They last over stop, start and reboot.\n\nExamples:\n  throttle web1 --bandwidth-in 10000 --bandwidth-out 10000\n  throttle web1 --iops-read 500 --iops-burst 2000\n  throttle web1 --reset',
      );
  },
  async run(invocation) {
    const { args, options } = invocation;
    const name = parseVmName(args[0]);
    const change = changeOf(options);
    const [show, verify] = [options.show === true, options.verify === true];
    if (change === undefined && !show && !verify) {
      throw new InputError('no limit is given', {
        hint: 'name one (see --help), or use --reset, --show or --verify',
      });
    }
    let good = true;
    if (change !== undefined) good = await doChange(invocation, name, change);
    if (show) good = (await doShow(invocation, name)) && good;
    if (verify) good = (await doVerify(invocation, name)) && good;
    return good ? 0 : 1;
  },
};

type Name = ReturnType<typeof parseVmName>;

async function doChange(
  { host, out }: Invocation,
  name: Name,
  change: LimitChange,
): Promise<boolean> {
  const { before, after, failed } = await throttleVm(host, name, change);
  const named = failed.length > 0 ? [] : LIMIT_KEYS.filter((key) => change.set[key] !== undefined);
  for (const line of changedLines(before, after, named)) out.line(line);
  for (const key of idleBursts(after).filter((one) => named.includes(one)))
    out.note(`VM ${name}: ${LIMIT_WORDS[key].what} ${IDLE}`);
  const wanted = mergeLimits(before, change);
  for (const { group, error, unanswered } of failed) {
    const { keys = [] } = LIMIT_GROUPS.find((one) => one.name === group) ?? {};
    const stays = keys.filter((key) => wanted[key] !== after[key]);
    const those = stays.map((key) => limitLine(key, after[key])).join(', ');
    const stay = those === '' ? '' : `; it stays at ${those}`;
    const rest = unanswered ? '; run it again when QEMU answers' : stay;
    out.note(`VM ${name}: ${group} limits are not in force as asked: ${error}${rest}`);
  }
  return failed.length === 0;
}

async function doShow({ host, out, options }: Invocation, name: Name): Promise<boolean> {
  const shown = await showLimits(host, name);
  const { requested, inForce, since } = shown;
  const wrong = disagreeing(shown);
  if (options.json === true) {
    out.line(JSON.stringify({ vm: name, requested, in_force: inForce, since }));
    return wrong.length === 0;
  }
  for (const key of LIMIT_KEYS) {
    if (requested[key] === undefined && inForce?.[key] === undefined) continue;
    out.line(`${limitLine(key, requested[key])} (${stateOf(key, shown)})`);
  }
  if (Object.keys(requested).length === 0 && wrong.length === 0) out.line('no limits');
  return wrong.length === 0;
}

async function doVerify({ host, out }: Invocation, name: Name): Promise<boolean> {
  const shown = await showLimits(host, name);
  const wrong = disagreeing(shown);
  const results = await measure(host, name, shown.requested, VERIFY_SECONDS);
  // What is not limited may use little all the same.
  for (const key of wrong)
    out.line(`${limitLine(key, shown.requested[key])} (${stateOf(key, shown)})`);
  if (results.length + wrong.length === 0) out.line('no limits on what can be measured');
  for (const { key, limit, achieved, exceeded } of results) {
    if (wrong.includes(key)) continue;
    const { what, value } = LIMIT_WORDS[key];
    const verdict = exceeded ? 'EXCEEDED' : 'kept';
    out.line(`${what}: uses ${value(Math.round(achieved))} of ${value(limit)}: ${verdict}`);
  }
  return wrong.length === 0 && !results.some(({ exceeded }) => exceeded);
}

function stateOf(key: LimitKey, { requested, inForce, since }: ShownLimits): string {
  if (inForce === null) return 'at the next start';
  const found = inForce[key];
  if (requested[key] !== found) return `NOT in force: ${limitLine(key, found)}`;
  if (idleBursts(requested).includes(key)) return IDLE;
  return since[key] === undefined ? 'in force' : `in force since ${since[key]}`;
}

/** @throws InputError for a value out of its range. */
function changeOf(options: Invocation['options']): LimitChange | undefined {
  const set: LimitChange['set'] = {};
  for (const key of LIMIT_KEYS) {
    const [words] = OPTIONS[key];
    const flag = words.split(' ')[0] ?? '';
    const value = options[flag.slice(2).replace(/-(.)/g, (_, c: string) => c.toUpperCase())];
    if (typeof value !== 'number') continue;
    const [least, most] = LIMIT_RANGES[key];
    const zero = value === 0 && !WITHOUT_ZERO.includes(key);
    if (!zero && (value < least || value > most)) {
      throw new InputError(`${flag} ${value} is out of range`, { hint: `use ${least} to ${most}` });
    }
    set[key] = value;
  }
  if (options.json === true && options.show !== true)
    throw new InputError('--json goes with --show');
  const reset = options.reset === true;
  return reset || Object.keys(set).length > 0 ? { set, reset } : undefined;
}

function amount(text: string): number {
  if (/^\d{1,13}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('use a whole number.');
}
