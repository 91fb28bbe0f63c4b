import * as fs from 'node:fs';
import * as path from 'node:path';
import * as vm from 'node:vm';
import { readRange } from '../host/read-range.ts';

/*
 * What starts the program: it loads those of its parts that are needed, as they were unpacked and compiled when the
 * program was installed, or as they came with it (docs/decisions/0002-one-bundle.md).
 */

/** The verbs that only look, those that change something, and libraries that only some of them need. */
type Part = 'looking' | 'acting' | 'execa' | 'systeminformation' | 'yaml' | 'commander';
/**
 * Each lies in a comment at the end of the program, in brotli and base64: how far from the end it begins, how long it is, and
 * the characters of its text, which are all Latin-1.
 */
declare const PARTS: Record<Part, { fromEnd: number; length: number; characters: number }>;
/** Changes with the texts. */
declare const PROGRAM_HASH: string;

/** What the text of a part is, and how it begins. */
type ModuleFunction = (module: object, exports: object, require: (id: string) => unknown) => void;
const BEGINNING = '(function(module,exports,require){';

interface Unpacked {
  text: string;
  /** What V8 has compiled of it. */
  code?: Buffer;
}

const program = process.argv[1] ?? '';
const parts = PARTS;
const loaded = new Map<Part, object>();

function unpack(part: Part): Unpacked {
  const zlib = require('node:zlib') as typeof import('node:zlib');
  const { fromEnd, length, characters } = parts[part];
  const at = fs.statSync(program).size - fromEnd;
  const packed = Buffer.from(readRange(program, at, length).toString('latin1'), 'base64');
  try {
    const text = zlib.brotliDecompressSync(packed).toString('latin1');
    if (text.length === characters && text.startsWith(BEGINNING)) return { text };
  } catch {}
  console.error(`blockhost-qemu: ${program} is damaged; install it again`);
  process.exit(1);
}

/** That of the program, whatever name it is called by. */
function directory(): string {
  return path.dirname(fs.realpathSync(program));
}

function keptFiles(): string {
  return path.join(directory(), 'code-cache');
}

/** V8 takes nothing that another version has compiled, but compares of the text no more than its length. */
function keptFile(part: Part): string {
  return path.join(keptFiles(), `${PROGRAM_HASH}-${part}-${process.version}-${process.arch}`);
}

/** First what V8 has compiled, which is so aligned as V8 wants it, then the text. */
function kept(part: Part): Unpacked | undefined {
  try {
    const bytes = fs.readFileSync(keptFile(part));
    const at = bytes.length - parts[part].characters;
    const text = bytes.toString('latin1', Math.max(at, 0));
    return at > 0 && text.startsWith(BEGINNING) ? { text, code: bytes.subarray(0, at) } : undefined;
  } catch {
    return undefined;
  }
}

function load(part: Part): object {
  const known = loaded.get(part);
  if (known !== undefined) return known;
  const { text, code } = (writing ? undefined : kept(part)) ?? unpack(part);
  const script = new vm.Script(text, {
    filename: `blockhost-qemu/${part}`,
    ...(code === undefined ? {} : { cachedData: code }),
  });
  if (writing) process.once('exit', () => keep(part, script, text));
  const module = { exports: {} };
  (script.runInThisContext() as ModuleFunction)(module, module.exports, requirePart);
  loaded.set(part, module.exports);
  return module.exports;
}

function requirePart(id: string): unknown {
  return Object.hasOwn(parts, id) ? load(id as Part) : require(id);
}

/** Written at the end, when V8 has compiled what runs. */
function keep(part: Part, script: vm.Script, text: string): void {
  const file = keptFile(part);
  const temporary = `${file}.${process.pid}`;
  fs.mkdirSync(keptFiles(), { recursive: true });
  const fd = fs.openSync(temporary, 'w', 0o644);
  try {
    fs.writeFileSync(fd, Buffer.concat([script.createCachedData(), Buffer.from(text, 'latin1')]));
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(temporary, file);
}

/** `--write-code-cache`, for whoever installs the program: has all parts at work, and keeps what was compiled. */
const writing = process.argv[2] === '--write-code-cache';

function write(): void {
  const os = require('node:os') as typeof import('node:os');
  const state = fs.mkdtempSync(path.join(os.tmpdir(), 'bv-'));
  process.once('exit', () => fs.rmSync(state, { recursive: true, force: true }));
  fs.rmSync(keptFiles(), { recursive: true, force: true });
  process.env.BLOCKHOST_QEMU_STATE_DIR = state;
  process.env.BLOCKHOST_QEMU_RUN_DIR = path.join(state, 'run');
  for (const part of Object.keys(parts)) if (part !== 'looking') load(part as Part);
  const { sampleVm } = load('acting') as typeof import('./acting.ts');
  process.argv = [process.argv[0] ?? '', program, 'status', 'sample'];
  sampleVm('sample').finally(() => load('looking'));
}

if (writing) write();
else load('looking');
