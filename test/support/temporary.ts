import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { errnoOf } from '../../src/errors.ts';

/** A directory that is gone after the test; others may enter it, as QEMU's own user has to. */
export function temporaryDirectory(t: { after(hook: () => void): void }): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'bh-'));
  fs.chmodSync(directory, 0o711);
  t.after(() => removeTree(directory));
  return directory;
}

/** Also while what a killed process leaves behind puts a last file there. */
export function removeTree(directory: string): void {
  for (let left = 100; ; left--) {
    try {
      fs.rmSync(directory, { recursive: true, force: true });
      return;
    } catch (error) {
      // Node's own retries would not look again for what is in it.
      if (errnoOf(error) !== 'ENOTEMPTY' || left === 0) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
}
