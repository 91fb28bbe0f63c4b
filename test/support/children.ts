import * as fs from 'node:fs';

/** Process ids of this process's children, of those in one state only when asked so (a letter of proc(5)). */
export function childrenOf(state = '.'): number[] {
  const wanted = new RegExp(`\\) ${state} ${process.pid} `);
  return fs
    .readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return wanted.test(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'));
      } catch {
        return false;
      }
    })
    .map(Number);
}
