import * as fs from 'node:fs';
import * as path from 'node:path';

/** The name tells whose it is, so that what a process left when it was killed is known from what is being written. */
const TEMPORARY = /^\..+\.(\d+)-[0-9a-z]+\.tmp$/;

/** A name beside `file`, of what becomes it by a rename. */
export function temporaryBeside(file: string): string {
  const own = `${process.pid}-${process.hrtime.bigint().toString(36)}`;
  return path.join(path.dirname(file), `.${path.basename(file)}.${own}.tmp`);
}

/** Removes what processes that have ended left in a directory. One that cannot be removed is left to who can. */
export function removeStaleTemporaries(directory: string): void {
  let names: string[];
  try {
    names = fs.readdirSync(directory);
  } catch {
    return;
  }
  for (const name of names) {
    const pid = TEMPORARY.exec(name)?.[1];
    if (pid === undefined || fs.existsSync(`/proc/${pid}`)) continue;
    try {
      fs.rmSync(path.join(directory, name), { force: true });
    } catch {
      // Somebody else's; gc of whoever it belongs to comes by as well.
    }
  }
}
