import * as fs from 'node:fs';
import * as path from 'node:path';
import * as vm from 'node:vm';
import { readRange } from '../host/read-range.ts';

/*
 * The first part of the program file: it compiles the one of the two others that is needed, or takes what V8 kept
 * of it the last time (docs/decisions/0002-one-bundle.md).
 */

/** Where the text of `looking` begins in the file, and how long it is; ten digits each, filled in when all is known. */
declare const LOOKING_AT: string;
declare const LOOKING_LENGTH: string;
/** What ends a comment, and what stands for it in the text of `looking`. */
const [END, NO_END] = ['*/', '*\u0001/'];
/** What stands between the text of `looking`, as it is, and that of `acting`, in brotli and base64. */
const BETWEEN = '\u0001*/\n//';
/** Changes with the two texts. */
declare const PROGRAM_HASH: string;

/** The verbs that only look, and those that change something. */
type Part = 'looking' | 'acting';
/** What the text of a part is. */
type ModuleFunction = (module: object, exports: object, require: (id: string) => unknown) => void;

const program = process.argv[1] ?? '';

/** Both parts stand in comments after this one (scripts/build.mjs), which V8 skips faster than any literal. */
function textOf(part: Part): string {
  const [at, length] = [Number(LOOKING_AT), Number(LOOKING_LENGTH)];
  if (part === 'looking')
    return readRange(program, at, length).toString('latin1').replaceAll(NO_END, END);
  const zlib = require('node:zlib') as typeof import('node:zlib');
  const packed = fs.readFileSync(program, 'latin1').slice(at + length + BETWEEN.length);
  return zlib.brotliDecompressSync(Buffer.from(packed, 'base64')).toString();
}

function directory(): string {
  return path.join(path.dirname(fs.realpathSync(program)), 'code-cache');
}

/** V8 takes no cache of another version, but compares of the text no more than its length. */
function cacheFile(part: Part): string {
  const name = `${PROGRAM_HASH}-${part}-${process.version}-${process.arch}`;
  return path.join(directory(), name);
}

function cached(part: Part): Buffer | undefined {
  try {
    return fs.readFileSync(cacheFile(part));
  } catch {
    return undefined;
  }
}

function load(part: Part): object {
  const cachedData = writing ? undefined : cached(part);
  const script = new vm.Script(textOf(part), {
    filename: `blockhost-qemu/${part}`,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  if (writing) process.once('exit', () => keep(part, script));
  const module = { exports: {} };
  (script.runInThisContext() as ModuleFunction)(module, module.exports, (id) =>
    id === 'blockhost-qemu/acting' ? load('acting') : require(id),
  );
  return module.exports;
}

/** Written at the end, when V8 has compiled what runs. */
function keep(part: Part, script: vm.Script): void {
  const file = cacheFile(part);
  const temporary = `${file}.${process.pid}`;
  fs.mkdirSync(directory(), { recursive: true });
  const fd = fs.openSync(temporary, 'w', 0o644);
  try {
    fs.writeSync(fd, script.createCachedData());
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(temporary, file);
}

/** `--write-code-cache`, for whoever installs the program: has both parts at work, and keeps what was compiled. */
const writing = process.argv[2] === '--write-code-cache';

function write(): void {
  const os = require('node:os') as typeof import('node:os');
  const state = fs.mkdtempSync(path.join(os.tmpdir(), 'bv-'));
  process.once('exit', () => fs.rmSync(state, { recursive: true, force: true }));
  fs.rmSync(directory(), { recursive: true, force: true });
  process.env.BLOCKHOST_QEMU_STATE_DIR = state;
  process.env.BLOCKHOST_QEMU_RUN_DIR = path.join(state, 'run');
  const { sampleVm } = load('acting') as typeof import('./acting.ts');
  process.argv = [process.argv[0] ?? '', program, 'status', 'sample'];
  sampleVm('sample').finally(() => load('looking'));
}

if (writing) write();
else load('looking');
