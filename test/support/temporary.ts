import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

/** A directory that is gone after the test; others may enter it, as QEMU's own user has to. */
export function temporaryDirectory(t: { after(hook: () => void): void }): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'bh-'));
  fs.chmodSync(directory, 0o711);
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}
