import { bootId, identify, isRunning, pidNamespace } from '../host/process.ts';

/** Boot, process namespace, pid and start time of whoever makes the directory, and a random word. */
export const STAGING_NAME = /^([0-9a-f]{8})-(\d{1,20})-(\d{1,10})-(\d{1,20})-[A-Za-z0-9]{6}$/;

/** What precedes the random word. */
export function ownStagingPrefix(): string {
  const self = identify(process.pid);
  return `${bootId().slice(0, 8)}-${ownNamespace()}-${process.pid}-${self?.startTime ?? 0}-`;
}

/** Whether it is a staging directory's name, and its maker has ended. */
export function isStaleStaging(name: string): boolean {
  const owner = STAGING_NAME.exec(name);
  if (owner === null) return false;
  const [, boot, namespace, pid, startTime] = owner;
  if (boot !== bootId().slice(0, 8)) return true;
  // Of another container's processes nothing is known here.
  if (namespace !== ownNamespace()) return false;
  return !isRunning({ pid: Number(pid), startTime: Number(startTime), bootId: bootId() });
}

/** The number of the process namespace. */
function ownNamespace(): string {
  return pidNamespace().replace(/\D/g, '');
}
