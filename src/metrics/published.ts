import * as z from 'zod/mini';
import { readFileIfExists } from '../host/files.ts';
import { bootId, isRunning } from '../host/process.ts';
import { uptimeSeconds } from '../host/uptime.ts';
import { Counters } from './counters.ts';
import { HostExtras } from './extended.ts';
import { MetricsRecord } from './record.ts';

/** The contract's word for a VM, or `-` where only the store of records knows it. */
export type StatusWord = 'active' | 'suspended' | '-';

const seconds = z.nullable(z.number());

/** What is known of a VM beyond the contract's record, and the counters its rates come from. */
export const Extended = z.object({
  ...HostExtras.shape,
  /** Counter; null under TCG. */
  kvm_exits: z.nullable(z.number()),
  /** Instant: bytes the balloon leaves the guest. */
  balloon_bytes: z.nullable(z.number()),
  counters: z.nullable(Counters),
  /** When each part was read, s of the host's uptime. */
  read_at: z.object({
    host: seconds,
    qemu: seconds,
    memory: seconds,
    agent: seconds,
    extended: seconds,
  }),
});
export type Extended = z.infer<typeof Extended>;

/**
 * The file statd publishes for a VM. Its first line serves the shell (bin/blockhost-vm-metrics):
 * uptime in s until which it is valid, uptime when it was written, id and start time of the process on
 * whose life it depends, the status word. The second is the contract's JSON, the third what goes beyond it.
 */
export interface Published {
  validUntil: number;
  writtenAt: number;
  /** QEMU while the VM runs, else statd itself: a record never outlives what it speaks of. */
  process: { pid: number; startTime: number };
  status: StatusWord;
  record: MetricsRecord;
  extended: Extended;
}

export function formatPublished(published: Published): string {
  const { validUntil, writtenAt, process, status, record, extended } = published;
  const head = [validUntil, writtenAt, process.pid, process.startTime, status].join(' ');
  return `${head}\n${JSON.stringify(record)}\n${JSON.stringify(extended)}\n`;
}

const HEAD = /^(\d+) (\d+) (\d+) (\d+) (active|suspended|-)$/;

/** Undefined for anything that is not such a file. */
export function parsePublished(text: string): Published | undefined {
  const [first = '', second = '', third = ''] = text.split('\n');
  const [, validUntil, writtenAt, pid, startTime, status] = HEAD.exec(first) ?? [];
  if (status === undefined) return undefined;
  try {
    const record = z.safeParse(MetricsRecord, JSON.parse(second));
    const extended = z.safeParse(Extended, JSON.parse(third));
    if (!record.success || !extended.success) return undefined;
    return {
      validUntil: Number(validUntil),
      writtenAt: Number(writtenAt),
      process: { pid: Number(pid), startTime: Number(startTime) },
      status: status as StatusWord,
      record: record.data,
      extended: extended.data,
    };
  } catch {
    return undefined;
  }
}

/** What is published of a VM and valid now. */
export function readFresh(file: string): Published | undefined {
  const published = readPublished(file);
  if (published === undefined) return undefined;
  const now = Math.floor(uptimeSeconds());
  const { writtenAt, validUntil, process } = published;
  const fresh = writtenAt <= now && now < validUntil;
  return fresh && isRunning({ ...process, bootId: bootId() }) ? published : undefined;
}

/** The same, however old it is: its counters may still be the first half of a rate. */
export function readPublished(file: string): Published | undefined {
  try {
    const text = readFileIfExists(file);
    return text === undefined ? undefined : parsePublished(text);
  } catch {
    return undefined;
  }
}
