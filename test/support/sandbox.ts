import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type Config, loadConfig } from '../../src/host/config.ts';
import type { VmFiles } from '../../src/host/paths.ts';
import { poll } from '../../src/host/time.ts';
import { isAgentOpen } from '../../src/qmp/agent/is-open.ts';
import { withQmp } from '../../src/qmp/with-qmp.ts';
import { localRoot } from '../../src/root/local.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { parseVmName } from '../../src/types.ts';
import type { Host, RootContext } from '../../src/vm/host.ts';
import { killAll } from './kill-all.ts';
import { type Finished, type ProgramOptions, programFile, Running } from './program.ts';
import { removeTree } from './temporary.ts';
import { tinyGuest } from './tiny-guest/build.ts';

/** Whoever calls back at the end: a test's context, or node:test itself outside of hooks and tests. */
interface Scope {
  after(hook: () => Promise<void>): void;
}

/**
 * A state directory of its own under /tmp, and the program working on it. At the end every process that
 * names the directory is killed, by its id, and the directory removed.
 */
export class Sandbox {
  readonly state: string;
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly image: string;

  readonly #base: string;

  private constructor(base: string, state: string, image: string, made: Made) {
    this.#base = base;
    this.state = state;
    this.image = image;
    this.config = made.config;
    this.env = made.env;
  }

  static async make(scope: Scope, settings: Settings = {}): Promise<Sandbox> {
    const image = await tinyGuest();
    const base = fs.mkdtempSync(path.join(os.tmpdir(), 'bv-'));
    // QEMU runs as another user, who has to pass through.
    fs.chmodSync(base, 0o711);
    scope.after(async () => {
      await killAll(base);
      removeTree(base);
    });
    const state = path.join(base, 's');
    return new Sandbox(base, state, image, await configure(base, state, settings));
  }

  /** The same state with other settings. */
  async with(settings: Settings): Promise<Sandbox> {
    const made = await configure(this.#base, this.state, settings);
    return new Sandbox(this.#base, this.state, this.image, made);
  }

  /** A state of its own with the templates of this one, so that they need not be imported again. */
  async sibling(settings: Settings = {}): Promise<Sandbox> {
    const state = fs.mkdtempSync(path.join(this.#base, 's'));
    fs.chmodSync(state, 0o755);
    fs.mkdirSync(this.config.paths.templates, { recursive: true });
    fs.symlinkSync(this.config.paths.templates, path.join(state, 'templates'));
    const made = await configure(this.#base, state, settings);
    return new Sandbox(this.#base, state, this.image, made);
  }

  /** A sibling with a VM of this one, which has to be off: same disk, no run. */
  async copy(name: string): Promise<Sandbox> {
    const other = await this.sibling();
    fs.mkdirSync(other.config.paths.vms, { mode: 0o711 });
    fs.cpSync(this.files(name).directory, other.files(name).directory, { recursive: true });
    for (const file of ['', ...fs.readdirSync(this.files(name).directory)]) {
      const from = fs.statSync(path.join(this.files(name).directory, file));
      fs.chownSync(path.join(other.files(name).directory, file), from.uid, from.gid);
      fs.chmodSync(path.join(other.files(name).directory, file), from.mode);
    }
    fs.copyFileSync(this.config.paths.records, other.config.paths.records);
    return other;
  }

  begin(verb: string, args: readonly string[] = [], options: ProgramOptions = {}): Running {
    const env = { ...this.env, ...options.env };
    return new Running([programFile(`blockhost-vm-${verb}`), ...args], { ...options, env });
  }

  run(verb: string, args: readonly string[] = [], options?: ProgramOptions): Promise<Finished> {
    return this.begin(verb, args, options).done;
  }

  /** Like `run`, but a failure of the command is one of the test. Gives stdout. */
  async ok(verb: string, args: readonly string[] = [], options?: ProgramOptions): Promise<string> {
    const { code, signal, stdout, stderr } = await this.run(verb, args, options);
    if (code !== 0) throw new Error(`${verb} ${args.join(' ')}: ${signal ?? code}: ${stderr}`);
    return stdout;
  }

  /** Runs it on a terminal of its own, by script(1). */
  onTerminal(verb: string): Promise<Finished> {
    const argv = ['script', '-qec', programFile(`blockhost-vm-${verb}`), '/dev/null'];
    return new Running(argv, { env: this.env }).done;
  }

  /** Options of `create` that make a VM of the tiny guest. */
  get tiny(): string[] {
    return ['--image', this.image, '--memory', '128', '--disk', '1'];
  }

  create(name: string, ...more: string[]): Promise<string> {
    return this.ok('create', [name, ...this.tiny, '--apply', ...more]);
  }

  /** What a shell command in the guest prints. */
  async sh(name: string, command: string): Promise<string> {
    return (await this.ok('guest-exec', [name, command])).trimEnd();
  }

  /**
   * Like `sh`, for what lies in /data: a guest that has just started has an agent before it has its disk, and one on
   * a busy host answers late. The command may run more than once.
   */
  async shOnDisk(name: string, command: string): Promise<string> {
    let last = '';
    const attempt = async (): Promise<string | undefined> => {
      const words = `grep -q ' /data ' /proc/mounts || exit 1\n${command}`;
      const { code, stdout, stderr } = await this.run('guest-exec', [name, words]);
      last = stderr;
      return code === 0 ? stdout.trimEnd() : undefined;
    };
    const found = await poll(attempt, { deadlineMs: 120_000, everyMs: 200 });
    if (found === undefined) throw new Error(`${name} does not do ${command}: ${last}`);
    return found;
  }

  /** Resolves when QEMU sees, or does not see any more, an agent in the guest. */
  async agentIs(name: string, open: boolean): Promise<void> {
    const look = async (): Promise<true | undefined> =>
      (await withQmp(this.files(name).probe, (qmp) => isAgentOpen(qmp))) === open
        ? true
        : undefined;
    if ((await poll(look, { deadlineMs: 60_000, everyMs: 20 })) === undefined)
      throw new Error(`the agent of ${name} ${open ? 'does not come' : 'stays'}`);
  }

  files(name: string): VmFiles {
    return this.config.paths.vm(parseVmName(name));
  }

  /** QEMU's process id as it stands in its pid file. */
  pid(name: string): number {
    return Number(fs.readFileSync(this.files(name).pid, 'utf8'));
  }

  /** What the verbs work with, for calling them in this process. */
  host(more: Partial<RootContext> = {}): Host {
    const context: RootContext = {
      ...this.config,
      report: () => undefined,
      verbose: () => undefined,
      signal: new AbortController().signal,
      ...more,
    };
    return {
      ...context,
      root: localRoot(context),
      store: new EmbeddedStore(this.config.paths.records),
    };
  }
}

type Settings = Record<string, unknown>;
type Made = Pick<Sandbox, 'config' | 'env'>;

async function configure(base: string, state: string, settings: Settings): Promise<Made> {
  const file = path.join(fs.mkdtempSync(path.join(base, 'c')), 'config.yaml');
  const all = { runner: 'direct', ready_timeout: 300, ...settings };
  fs.writeFileSync(file, JSON.stringify(all));
  const env = { BLOCKHOST_QEMU_STATE_DIR: state, BLOCKHOST_QEMU_CONFIG: file };
  return { env, config: await loadConfig(env) };
}
