import { poll } from '../../src/host/time.ts';
import { processesAbout } from './leftovers.ts';

/** Kills every process that names the directory, by its id, and waits until they are gone. */
export async function killAll(directory: string): Promise<void> {
  const none = (): true | undefined => {
    const found = processesAbout(directory);
    for (const { pid } of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    }
    return found.length === 0 ? true : undefined;
  };
  if ((await poll(none, { deadlineMs: 15_000, everyMs: 20 })) === undefined)
    throw new Error(`processes that use ${directory} do not end`);
}
