import * as z from 'zod/mini';
import { importShape, type Schema, schemasOf } from './transport/import.ts';

const text = z.string();
const flag = z.boolean();

/** What is read of each event's data. Made when first needed. */
const eventData = {
  /** `reason`: guest-shutdown, guest-panic, host-qmp-quit, host-signal, … */
  SHUTDOWN: () => z.object({ guest: flag, reason: text }),
  RESET: () => z.object({ guest: flag, reason: text }),
  STOP: () => z.unknown(),
  RESUME: () => z.unknown(),
  POWERDOWN: () => z.unknown(),
  GUEST_PANICKED: () => z.object({ action: text }),
  BLOCK_IO_ERROR: () =>
    z.object({
      device: text,
      'node-name': z.optional(text),
      operation: text,
      action: text,
      nospace: z.optional(flag),
      reason: text,
    }),
  /** Sent only for ports that have an id. */
  VSERPORT_CHANGE: () => z.object({ id: text, open: flag }),
  BALLOON_CHANGE: () => z.object({ actual: z.number() }),
  DEVICE_DELETED: () => z.object({ device: z.optional(text), path: text }),
  JOB_STATUS_CHANGE: () => z.object({ id: text, status: text }),
} satisfies Record<string, () => Schema>;

const schemaOf = schemasOf<EventName>(eventData);

export type EventName = keyof typeof eventData;
export type EventData<N extends EventName> = z.output<ReturnType<(typeof eventData)[N]>>;

export type KnownEvent<N extends EventName = EventName> = {
  [K in N]: {
    kind: 'known';
    name: K;
    data: EventData<K>;
    /** QEMU's wall clock, milliseconds since 1970. */
    timestampMs: number | undefined;
  };
}[N];

/** An event not in the list above, or one whose data is not as expected; `problem` then says how. */
export interface RawEvent {
  kind: 'raw';
  name: string;
  data: unknown;
  timestampMs: number | undefined;
  problem: string | undefined;
}

export type QmpEvent = KnownEvent | RawEvent;

export function importEvent(name: string, body: Record<string, unknown>): QmpEvent {
  const timestampMs = timeOf(body.timestamp);
  const raw: RawEvent = { kind: 'raw', name, data: body.data, timestampMs, problem: undefined };
  if (!isEventName(name)) return raw;
  const imported = importShape(schemaOf(name), body.data);
  if ('mismatch' in imported) return { ...raw, problem: imported.mismatch };
  // The schema was chosen by the name, which the compiler cannot follow through a lookup.
  return { kind: 'known', name, data: imported.value, timestampMs } as KnownEvent;
}

export function isEventName(name: string): name is EventName {
  return Object.hasOwn(eventData, name);
}

function timeOf(timestamp: unknown): number | undefined {
  if (typeof timestamp !== 'object' || timestamp === null) return undefined;
  const { seconds, microseconds } = timestamp as { seconds?: unknown; microseconds?: unknown };
  if (typeof seconds !== 'number' || typeof microseconds !== 'number' || seconds < 0)
    return undefined;
  return seconds * 1000 + microseconds / 1000;
}
