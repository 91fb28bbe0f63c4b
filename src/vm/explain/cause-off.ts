import type { Ender, LastRun } from '../../store/last-run.ts';
import { ENDED, type VmEvent } from '../../store/vm-events.ts';
import type { Facts } from './facts.ts';
import type { Cause } from './shape.ts';

type Ended = LastRun & { end: Exclude<LastRun['end'], 'goes-on'> };

/** Why a VM is off: the host's own notes first, then what QEMU said, then what it left behind. */
export function causeOff(facts: Facts): Cause {
  const { last, name, everStarted } = facts;
  if (last === undefined)
    return everStarted
      ? {
          cause: 'unknown',
          since: null,
          text: 'it is off; nothing on this host tells how its last run ended',
          advice: `run start ${name}`,
        }
      : {
          cause: 'never-started',
          since: null,
          text: 'it was never started',
          advice: `run start ${name}`,
        };
  // QEMU may have ended since the state was looked at.
  const ended: Ended = { ...last, end: last.end === 'goes-on' ? 'in-order' : last.end };
  return { since: sinceWhen(facts, ended), ...reason(facts, ended) };
}

function sinceWhen({ runEvents }: Facts, { end, notedAt }: Ended): string | null {
  const seen = runEvents.find(({ kind }) => kind === 'ended');
  if (seen?.detail !== ENDED.unseen && seen !== undefined) return seen.at;
  return end === 'asked' ? (notedAt ?? null) : null;
}

type Reason = Omit<Cause, 'since'>;

function reason(facts: Facts, ended: Ended): Reason {
  const { name } = facts;
  const start = `run start ${name}`;
  if (ended.end === 'asked') return asked(facts, ended.by);
  if (ended.end === 'host-down')
    return {
      cause: 'host-down',
      text: 'the host went down while it ran, by a power cut, a crash or a hard reset',
      advice: start,
    };
  const shutdown = facts.runEvents.find(({ kind }) => kind === 'shutdown');
  const signal = signalIn(facts.qemu);
  if (shutdown?.detail === 'host-signal' || (shutdown === undefined && signal !== undefined))
    return {
      cause: 'signalled',
      text: `QEMU was ended from outside by ${signal ?? 'a signal'}, and ended in order; no verb of this program did it`,
      advice: start,
    };
  if (shutdown !== undefined) return announced(shutdown, start);
  return ended.end === 'broken-off' ? crashed(facts, start) : inOrder(facts, start);
}

const BY_VERB: Record<Ender, { cause: string; text: string }> = {
  stop: { cause: 'stopped', text: 'it was powered off by `stop`' },
  'stop-all': {
    cause: 'stopped',
    text: 'it was powered off by `stop-all`, as when the host shuts down',
  },
  suspend: { cause: 'suspended', text: '`gc` powered it off because it had expired' },
  kill: { cause: 'killed', text: 'it was ended by `kill`' },
  start: { cause: 'start-undone', text: 'a `start` that was interrupted was undone' },
  destroy: { cause: 'destroying', text: 'a `destroy` of it has begun' },
  gc: { cause: 'stopped', text: '`gc` ended it' },
  doctor: { cause: 'stopped', text: '`doctor` ended it' },
  'restart-crashed': { cause: 'killed', text: 'it was ended to be started again after a crash' },
};

function asked({ name, record }: Facts, by: Ender | undefined): Reason {
  const { cause, text } =
    by === undefined ? { cause: 'stopped', text: 'a verb ended it' } : BY_VERB[by];
  const resume = record?.status === 'suspended';
  return {
    cause,
    text,
    advice: resume ? `run resume ${name} if it is paid for` : `run start ${name}`,
  };
}

/** QEMU said why (ShutdownCause, qapi/run-state.json). */
function announced({ detail = '' }: VmEvent, advice: string): Reason {
  if (detail === 'guest-shutdown')
    return { cause: 'powered-off', text: 'the guest powered itself off', advice };
  if (detail === 'host-qmp-quit')
    return {
      cause: 'quit',
      text: 'QEMU was told to quit over QMP by another program, or by a verb that died',
      advice,
    };
  return { cause: 'ended', text: `QEMU ended and gave the reason ${detail}`, advice };
}

function crashed({ runEvents }: Facts, advice: string): Reason {
  const panicked = runEvents.some(({ kind }) => kind === 'panicked');
  return {
    cause: 'crashed',
    text: `QEMU ended without shutting down: it crashed, or a signal such as SIGKILL ended it (the host may have been out of memory)${panicked ? '; its guest had panicked before' : ''}`,
    advice: `journalctl -k tells of segmentation faults and of memory that ran out; then ${advice}`,
  };
}

/** The pid file is gone, so QEMU's own end was reached; who asked for it was not heard. */
function inOrder({ runEvents }: Facts, advice: string): Reason {
  const seen = runEvents.find(({ kind }) => kind === 'ended')?.detail;
  if (seen === ENDED.unannounced)
    return {
      cause: 'gave-up',
      text: 'QEMU ended by itself, and the guest had not powered off: see what QEMU said',
      advice,
    };
  return {
    cause: 'ended',
    text: 'QEMU ended in order, most likely because the guest powered itself off; nobody was watching, so it cannot be told for certain',
    advice,
  };
}

/** QEMU's words when SIGTERM, SIGINT or SIGHUP ends it (softmmu/runstate.c). */
function signalIn(words: readonly string[]): string | undefined {
  const line = words.findLast((word) => /terminating on signal \d+/.test(word));
  const [, number, pid] = /terminating on signal (\d+)(?: from pid (\d+))?/.exec(line ?? '') ?? [];
  if (number === undefined) return undefined;
  return `signal ${number}${pid === undefined ? '' : ` from process ${pid}`}`;
}
