import * as fs from 'node:fs';
import * as z from 'zod/mini';

const Lines = z.optional(z.array(z.string().check(z.maxLength(1300))).check(z.maxLength(50)));

/**
 * - `started`: QEMU runs. `shutdown`: QEMU says that it ends, and why. `ended`: its process is gone.
 * - `reset`: the guest was reset, as by a reboot. `panicked`: its kernel gave up. `io-error`: a disk failed it.
 * - `paused`, `resumed`: its CPUs. `suspended`, `woken`: the guest put itself to sleep (ACPI S3).
 * - `silent`: QEMU does not answer. `answers`: it does again, after `silent_s`.
 */
const EVENT_KINDS = [
  'started',
  'shutdown',
  'ended',
  'reset',
  'panicked',
  'io-error',
  'paused',
  'resumed',
  'suspended',
  'woken',
  'silent',
  'answers',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export const VmEvent = z.object({
  kind: z.enum(EVENT_KINDS),
  /** Which run of the VM (incarnationKey). */
  run: z.string().check(z.maxLength(100)),
  /** ISO 8601: when it happened first, and last. */
  first: z.string().check(z.maxLength(40)),
  at: z.string().check(z.maxLength(40)),
  count: z.int().check(z.gte(1)),
  /** QEMU's reason; which disk and what it was doing. */
  detail: z.optional(z.string().check(z.maxLength(200))),
  /** Seconds from when QEMU was found silent, the last time. */
  silent_s: z.optional(z.number().check(z.gte(0))),
  /** The last lines of the console, and of what QEMU itself said, made fit for a terminal. */
  console: Lines,
  qemu: Lines,
});
export type VmEvent = z.infer<typeof VmEvent>;

/** `detail` of `ended`: whether QEMU had said why before, and whether anybody would have heard it. */
export const ENDED = {
  announced: 'announced',
  unannounced: 'unannounced',
  unseen: 'unseen',
} as const;

const EventFile = z.object({ uuid: z.string(), events: z.array(VmEvent).check(z.maxLength(100)) });

/** Twice what 32 events with all their lines can be. */
const MAX_BYTES = 1024 * 1024;

/** Two files, since what happened is for everybody, but what was said is not. */
export interface EventFiles {
  events: string;
  lines: string;
}

/**
 * What the resident sampler has noted of a VM, the oldest first; undefined when it never watched this one. Its
 * folder is another user's, so nothing in it is followed, waited for or believed to be well-formed.
 */
export function readVmEvents(files: EventFiles, uuid: string): VmEvent[] | undefined {
  const events = readEvents(files.events, uuid);
  const spoken = readEvents(files.lines, uuid) ?? [];
  return events?.map((event) => {
    const lines = spoken.find((other) => sameEvent(other, event));
    return lines === undefined ? event : { ...event, console: lines.console, qemu: lines.qemu };
  });
}

export function sameEvent(a: Pick<VmEvent, 'run' | 'kind' | 'detail'>, b: typeof a): boolean {
  return a.run === b.run && a.kind === b.kind && a.detail === b.detail;
}

/** The content of both files. */
export function formatVmEvents(uuid: string, events: readonly VmEvent[]): EventFiles {
  const silent = events.map(({ console: _, qemu: __, ...event }) => event);
  const speaking = events.filter((event) => event.console !== undefined);
  return { events: formatted(uuid, silent), lines: formatted(uuid, speaking) };
}

function formatted(uuid: string, events: readonly VmEvent[]): string {
  return `${JSON.stringify({ uuid, events })}\n`;
}

function readEvents(file: string, uuid: string): VmEvent[] | undefined {
  try {
    const found = z.safeParse(EventFile, JSON.parse(readBounded(file)));
    return found.success && found.data.uuid === uuid ? found.data.events : undefined;
  } catch {
    return undefined;
  }
}

function readBounded(file: string): string {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const { size } = fs.fstatSync(fd);
    return size > MAX_BYTES ? '' : fs.readFileSync(fd, 'utf8');
  } finally {
    fs.closeSync(fd);
  }
}
