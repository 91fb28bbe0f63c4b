import * as fs from 'node:fs';
import * as path from 'node:path';
import { BusyError, errnoOf, ProvisionerError } from '../../errors.ts';

export interface ProvisioningLock {
  release(): void;
}

/**
 * The file that tells engines a VM is being made (contract §4): our pid in decimal digits. They look at
 * nothing else, so it has to be this file and no flock. Whoever finds one of a dead process replaces it.
 * @throws BusyError when another create runs.
 */
export function takeProvisioningLock(directory: string): ProvisioningLock {
  const file = path.join(directory, 'provisioning.lock');
  for (let attempt = 0; attempt < 10; attempt++) {
    if (make(file)) return { release: () => release(file) };
    const found = holderOf(file);
    if (found === undefined) continue;
    if (found.alive) {
      throw new BusyError(`another VM is being created (pid ${found.text})`, {
        hint: `wait until it is done; ${file} is its lock`,
      });
    }
    remove(file, found.text);
  }
  throw new BusyError(`${file} changes hands too quickly`, { hint: 'try again' });
}

/**
 * Restarting the root agent empties the directory and makes it anew, where a sandbox may not write: then
 * the lock is gone already, and what was done under it must not be called failed.
 */
function release(file: string): void {
  try {
    remove(file, String(process.pid));
  } catch {
    // Whoever finds it later sees that its process is dead.
  }
}

function make(file: string): boolean {
  // Written aside and linked, so that nobody ever reads a lock without a pid in it.
  const own = `${file}.${process.pid}`;
  try {
    fs.writeFileSync(own, String(process.pid), { mode: 0o644 });
    fs.linkSync(own, file);
    return true;
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') return false;
    throw new ProvisionerError(`${file} cannot be made: ${errnoOf(cause) ?? String(cause)}`, {
      hint: 'its directory gets its group and mode when the engine starts, after the first reboot',
      cause,
    });
  } finally {
    fs.rmSync(own, { force: true });
  }
}

/** Undefined when the lock went away meanwhile. */
function holderOf(file: string): { text: string; alive: boolean } | undefined {
  try {
    const text = fs.readFileSync(file, 'utf8').trim();
    return { text, alive: isAlive(text) };
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? undefined : { text: '', alive: false };
  }
}

function isAlive(text: string): boolean {
  if (!/^[1-9]\d{0,9}$/.test(text)) return false;
  try {
    process.kill(Number(text), 0);
    return true;
  } catch (error) {
    // Somebody else's process is a process, too.
    return errnoOf(error) === 'EPERM';
  }
}

/** Only the very lock that was judged: it is moved aside first, and put back when it was another. */
function remove(file: string, expected: string): void {
  const aside = `${file}.${process.pid}.old`;
  try {
    fs.renameSync(file, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    if (readOrEmpty(aside) !== expected) fs.linkSync(aside, file);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

function readOrEmpty(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
