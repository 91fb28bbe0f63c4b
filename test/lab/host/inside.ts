import * as path from 'node:path';
import { test } from 'node:test';
import { MARK, type TestEvent } from './events.ts';
import { PROJECT } from './install-program.ts';
import { asEngine, LabHost } from './lab-host.ts';

/**
 * Boots a host, runs a compiled test file in it, and makes each of its tests one of this process as it is run. A
 * file named *.engine.test.ts runs as BlockHost's engine would run it, any other as root.
 */
export async function runInside(file: string): Promise<void> {
  // Not node:test's own hook: that is called as soon as every test begun so far has ended.
  const ends: (() => Promise<void>)[] = [];
  try {
    const host = await LabHost.boot({ after: (end) => ends.push(end) });
    await runOn(host, file);
  } finally {
    for (const end of ends) await end();
  }
}

async function runOn(host: LabHost, file: string): Promise<void> {
  const built = path.join(PROJECT, 'build/test/lab');
  const command = [
    'node',
    '--enable-source-maps',
    `--test-reporter=${path.join(built, 'host/reporter.mjs')}`,
    '--test-reporter-destination=stdout',
    path.join(built, file),
  ];
  const argv = file.endsWith('.engine.test.mjs') ? asEngine(command, host.env) : command;
  const tests = new Mirror((since) => lastWords(host, since));
  const lines = new Lines((line) => tests.see(line));
  try {
    const { code } = await host.exec(argv, {
      timeoutMs: FILE_MS,
      onOutput: (bytes, which) => (which === 1 ? lines.add(bytes) : process.stderr.write(bytes)),
    });
    if (code !== 0 && tests.failed === 0) throw new Error(`${file} ended with exit code ${code}`);
    if (tests.seen === 0) throw new Error(`${file} has no test`);
    await tests.ended();
  } catch (error) {
    tests.abandon(error);
    throw error;
  }
}

const FILE_MS = 900_000;

/** Tests of this process that end when their originals do. */
class Mirror {
  seen = 0;
  failed = 0;
  #current: { resolve: (event: TestEvent) => void; reject: (error: unknown) => void } | undefined;
  #subtests: string[] = [];
  readonly #tests: Promise<void>[] = [];
  readonly #context: (since: number) => Promise<string>;

  /** @param context what to say beside a failure of a test that began at this time */
  constructor(context: (since: number) => Promise<string>) {
    this.#context = context;
  }

  see(line: string): void {
    const at = line.indexOf(MARK);
    if (at !== 0) process.stdout.write(`${at === -1 ? line : line.slice(0, at)}\n`);
    if (at !== -1) this.#follow(JSON.parse(line.slice(at + 1)) as TestEvent);
  }

  /** The failures have been told, which takes the host. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#tests);
  }

  /** The rest will not come. */
  abandon(error: unknown): void {
    this.#current?.reject(error);
  }

  #follow(received: TestEvent): void {
    const event = counted(received);
    if (event.nesting > 0) {
      if (event.type === 'fail') this.#subtests.push(`${event.name}: ${event.error}`);
    } else if (event.type === 'begin') {
      this.#begin(event.name);
    } else {
      if (event.type === 'fail') this.failed += 1;
      this.#current?.resolve(event);
      this.#current = undefined;
    }
  }

  #begin(name: string): void {
    this.seen += 1;
    const began = Date.now();
    const end = new Promise<TestEvent>((resolve, reject) => {
      this.#current = { resolve, reject };
    });
    end.catch(() => undefined);
    const told = test(name, async () => {
      const event = await end;
      const subtests = this.#subtests.splice(0);
      if (event.type === 'pass' && subtests.length === 0) return;
      throw new Error([...subtests, event.error, await this.#context(began)].join('\n'));
    });
    this.#tests.push(told);
  }
}

/** A test that does not run here counts as failed, as outside (scripts/test.mjs). */
function counted(event: TestEvent): TestEvent {
  if (event.skip === undefined) return event;
  return { ...event, type: 'fail', error: `skipped inside: ${event.skip}` };
}

/** The host's clock is this machine's. */
async function lastWords(host: LabHost, since: number): Promise<string> {
  if (!host.isOn) return `The host is off. Its console:\n${host.consoleTail()}`;
  const from = `--since=@${Math.floor(since / 1000)}`;
  const show = ['journalctl', '-b', '-q', '-n', '25', '-o', 'short-monotonic', '--no-pager', from];
  return `The host's journal meanwhile:\n${await host.ok(show)}`;
}

class Lines {
  #rest = '';
  readonly #each: (line: string) => void;

  constructor(each: (line: string) => void) {
    this.#each = each;
  }

  add(bytes: Buffer): void {
    const lines = (this.#rest + bytes.toString('utf8')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#each(line);
  }
}
