import type { VmEvent } from '../../store/vm-events.ts';
import { causeOff } from './cause-off.ts';
import type { Facts } from './facts.ts';
import type { Cause } from './shape.ts';

/** Decides by the facts alone; what they do not tell is said to be unknown. */
export function causeOf(facts: Facts): Cause {
  const { now } = facts;
  if (now.incarnation === undefined) return causeOff(facts);
  if (now.state === 'unknown') return silent(facts);
  if (now.state === 'running') {
    const since = now.incarnation.started_at;
    return { cause: 'running', since, text: 'it runs', advice: null };
  }
  return causePaused(facts, now.qemuStatus ?? '');
}

function silent({ name, processState, runEvents }: Facts): Cause {
  const since = latest(runEvents, ['silent'])?.at ?? null;
  const base = { cause: 'silent', since };
  if (processState === 'T' || processState === 't')
    return {
      ...base,
      text: 'QEMU does not answer because its process is stopped: somebody sent it SIGSTOP, or debugs it',
      advice: 'send it SIGCONT',
    };
  if (processState === 'D')
    return {
      ...base,
      text: "QEMU does not answer: it waits in the kernel, most likely for the host's storage",
      advice: 'look at the kernel log (journalctl -k)',
    };
  return {
    ...base,
    text: 'QEMU is alive but does not answer; why cannot be told from outside',
    advice: `look again in a minute; only if it stays so, run kill ${name}, then start ${name}`,
  };
}

function causePaused(facts: Facts, status: string): Cause {
  const { name, runEvents } = facts;
  const restart = `run kill ${name}, then start ${name}`;
  const since = (...kinds: VmEvent['kind'][]): string | null =>
    latest(runEvents, kinds)?.at ?? null;
  switch (status) {
    case 'paused':
      return {
        cause: 'paused',
        since: since('paused'),
        text: 'it is paused: by `pause`, by a verb that died, or by another program over QMP',
        advice: `start ${name} lets it go on`,
      };
    case 'io-error':
      return { cause: 'io-error', since: since('io-error'), ...ioError(facts) };
    case 'guest-panicked':
      return {
        cause: 'panicked',
        since: since('panicked'),
        text: "the guest's kernel has panicked; QEMU keeps it as it was",
        advice: restart,
      };
    case 'suspended':
      return {
        cause: 'asleep',
        since: since('suspended'),
        text: 'the guest has put itself to sleep (ACPI S3)',
        advice: `run stop ${name}, then start ${name}`,
      };
    case 'prelaunch':
    case 'inmigrate':
      return {
        cause: 'beginning',
        since: null,
        text: 'its QEMU waits for a start that is under way, or has died',
        advice: facts.busy ? 'look again when the start has ended' : `run start ${name}`,
      };
    default:
      return {
        cause: 'dead',
        since: null,
        text: `QEMU says ${status}: the guest cannot go on`,
        advice: restart,
      };
  }
}

function ioError({ failedDisks, runEvents, name }: Facts): Pick<Cause, 'text' | 'advice'> {
  const event = latest(runEvents, ['io-error']);
  const disks = failedDisks.length === 0 ? 'a disk' : failedDisks.join(', ');
  const said = event?.detail === undefined ? '' : ` (${event.detail})`;
  return {
    text: `a write to ${disks} failed on the host${said}; it is kept, and nothing the guest wrote is lost`,
    advice: `free some space: with the sampler it goes on by itself then, else by start ${name}`,
  };
}

export function latest(
  events: readonly VmEvent[],
  kinds: readonly VmEvent['kind'][],
): VmEvent | undefined {
  return events.findLast(({ kind }) => kinds.includes(kind));
}
