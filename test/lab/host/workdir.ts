import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

export interface WorkDirectory {
  path: string;
  remove(): Promise<void>;
}

/**
 * A folder that goes with this process, however it ends: a shell waits for the end of a pipe that we hold, then
 * removes it.
 */
export function workDirectory(): WorkDirectory {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'lab-'));
  const script = 'cat >/dev/null; rm -rf "$1"';
  const janitor = spawn('sh', ['-c', script, 'sh', directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    detached: true,
  });
  letGo(janitor);
  return {
    path: directory,
    async remove() {
      const gone = once(janitor, 'exit');
      janitor.ref();
      janitor.stdin?.end();
      await gone;
    },
  };
}

/** It must not keep this process from ending. */
function letGo(child: ChildProcess): void {
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
}
