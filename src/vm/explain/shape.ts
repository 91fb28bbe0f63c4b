import type { VmEvent } from '../../store/vm-events.ts';
import type { Restarting } from './restart-words.ts';

/** Why a VM is as it is. */
export interface Cause {
  /** A word for programs. */
  cause: string;
  /** ISO 8601; null when nobody knows. */
  since: string | null;
  /** In words, one sentence or two. */
  text: string;
  /** What to do about it. */
  advice: string | null;
}

/** What happened to a VM, for programs. What cannot be told is null. */
export interface Explanation extends Cause {
  vm_name: string;
  state: 'off' | 'running' | 'paused' | 'unknown';
  /** A verb works on it at this moment. */
  busy: boolean;
  run: { pid: number; started_at: string; accel: string } | null;
  /** A verb that died half-way, and what the next verb does about it. */
  unfinished: { verb: string; next: string } | null;
  restart: Restarting;
  events: Omit<VmEvent, 'run'>[];
  /** Whether a sampler has watched it since the host's boot. */
  watched: boolean;
  /** When its console was last written to. */
  last_sign: string | null;
  /** The last lines of the console, and what QEMU itself said, both of the last run. */
  console: string[];
  qemu: string[];
}
