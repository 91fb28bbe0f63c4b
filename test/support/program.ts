import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

/** How a command ended. */
export interface Finished {
  /** Null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  stdoutBytes: Buffer;
  seconds: number;
}

export interface ProgramOptions {
  env?: NodeJS.ProcessEnv;
  /** Put before the program: `ip netns exec NAME`, say. */
  prefix?: readonly string[];
  cwd?: string;
  uid?: number;
  /** Milliseconds until it is killed. */
  limitMs?: number;
}

/** No command takes longer, however busy the machine; one that hangs is killed and fails its test. */
const LIMIT_MS = 150_000;

/** A command under way, its output collected. */
export class Running {
  readonly child: ChildProcess;
  readonly done: Promise<Finished>;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];

  constructor(argv: readonly string[], options: ProgramOptions = {}) {
    const { prefix = [], env, cwd, uid, limitMs = LIMIT_MS } = options;
    const [command = '', ...args] = [...prefix, ...argv];
    const began = performance.now();
    this.child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    this.child.stdout?.on('data', (bytes) => this.#stdout.push(bytes));
    this.child.stderr?.on('data', (bytes) => this.#stderr.push(bytes));
    const timer = setTimeout(() => this.child.kill('SIGKILL'), limitMs);
    this.done = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      // `close` comes when nobody holds our pipes any more: a QEMU that inherited one would hold it up.
      this.child.once('close', (code, signal) => {
        clearTimeout(timer);
        const stdoutBytes = Buffer.concat(this.#stdout);
        resolve({
          ...{ code, signal, stdoutBytes },
          stdout: stdoutBytes.toString('utf8'),
          stderr: this.stderr,
          seconds: (performance.now() - began) / 1000,
        });
      });
    });
  }

  /** What it has said so far. */
  get stderr(): string {
    return Buffer.concat(this.#stderr).toString('utf8');
  }

  /** What it has printed so far. */
  get stdout(): string {
    return Buffer.concat(this.#stdout).toString('utf8');
  }

  /** Resolves when its stderr matches. */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stderr)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`ended before it said ${pattern}: ${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** The built program by one of its names, as it is installed. */
export function programFile(name: string): string {
  const file = path.join(projectRoot(), 'dist', 'bin', name);
  if (!fs.existsSync(file)) throw new Error(`${file} is not there: run make build`);
  return file;
}

/** From a test's bundle, wherever below the project it lies. */
export function projectRoot(): string {
  let root = path.dirname(fileURLToPath(import.meta.url));
  while (!fs.existsSync(path.join(root, 'package.json'))) root = path.dirname(root);
  return root;
}
