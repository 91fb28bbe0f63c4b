import fs from 'node:fs';
import { base, failure, reach } from './points.ts';

type Call = (...args: never[]) => unknown;
const methods = fs as unknown as Record<string, Call>;
const files = new Map<number, string>();

/** Every call that changes the file system below the test's directory is a point. */
export function watchFiles(): void {
  for (const name of ['renameSync', 'symlinkSync', 'copyFileSync', 'linkSync']) {
    before(name, (from, to) => (isOurs(to) ? `${from} -> ${to}` : undefined));
  }
  const exists = fs.existsSync;
  before('mkdirSync', (file) => (isOurs(file) && !exists(file) ? file : undefined));
  before('rmSync', (file) => (isOurs(file) && exists(file) ? file : undefined));
  for (const name of ['mkdtempSync', 'chownSync', 'chmodSync', 'unlinkSync'])
    before(name, (file) => (isOurs(file) ? file : undefined));
  const { openSync } = fs;
  before('openSync', (file, flags) => (isOurs(file) && makes(flags) ? file : undefined));
  const opened = methods.openSync as typeof openSync;
  methods.openSync = ((file: string, ...more: [string]) => {
    const fd = opened(file, ...more);
    if (isOurs(file)) files.set(fd, file);
    return fd;
  }) as Call;
  for (const name of ['writeFileSync', 'fsyncSync'])
    before(name, (file) => (typeof file === 'number' ? files.get(file) : undefined));
}

function before(name: string, about: (...args: string[]) => string | undefined): void {
  const original = methods[name] as Call;
  methods[name] = ((...args: string[]) => {
    const file = about(...args);
    if (file !== undefined && reach(`${name.replace('Sync', '')} ${file}`) !== undefined)
      throw failure(`${name} ${file}`);
    return original(...(args as never[]));
  }) as Call;
}

function isOurs(file: unknown): file is string {
  return typeof file === 'string' && file.startsWith(`${base}/`);
}

function makes(flags: unknown): boolean {
  if (typeof flags === 'number') return (flags & fs.constants.O_CREAT) !== 0;
  return typeof flags === 'string' && /[wax]/.test(flags);
}
