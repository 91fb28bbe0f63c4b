import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { killAll } from '../kill-all.ts';
import { processesAbout } from '../leftovers.ts';
import { type Finished, type ProgramOptions, projectRoot, Running } from '../program.ts';
import { removeTree } from '../temporary.ts';

interface Scope {
  after(hook: () => Promise<void>): void;
}

/** The plugin's packages, built once per process. */
let built: Promise<{ gem: string; deb: string }> | undefined;

export function pluginPackages(): Promise<{ gem: string; deb: string }> {
  built ??= build();
  return built;
}

async function build(): Promise<{ gem: string; deb: string }> {
  const out = fs.mkdtempSync(path.join(os.tmpdir(), 'vp-'));
  fs.chmodSync(out, 0o755);
  process.on('exit', () => removeTree(out));
  const { stdout } = await run(path.join(projectRoot(), 'scripts/build-vagrant'), [out]);
  const [gem = '', deb = ''] = stdout.split('\n');
  return { gem, deb };
}

/**
 * Vagrant with a home of its own, into which the plugin was installed from its gem, and state of its own for
 * blockhost-qemu. At the end every process that names its directory is killed, by id.
 */
export class VagrantWorld {
  readonly base: string;
  readonly env: NodeJS.ProcessEnv;
  readonly state: string;
  /** Who runs everything, when it is not root. */
  readonly #uid: number | undefined;

  private constructor(base: string, uid: number | undefined) {
    this.base = base;
    this.#uid = uid;
    this.state = path.join(base, 's');
    this.env = {
      HOME: base,
      VAGRANT_HOME: path.join(base, 'home'),
      VAGRANT_CHECKPOINT_DISABLE: '1',
      VAGRANT_BOX_UPDATE_CHECK_DISABLE: '1',
      VAGRANT_NO_COLOR: '1',
      BLOCKHOST_QEMU_STATE_DIR: this.state,
      PATH: `${path.join(projectRoot(), 'dist/bin')}:${process.env.PATH}`,
    };
  }

  static async make(scope: Scope, uid?: number): Promise<VagrantWorld> {
    const base = fs.mkdtempSync(path.join(os.tmpdir(), 'bw-'));
    fs.chmodSync(base, 0o711);
    scope.after(async () => {
      await killAll(base);
      removeTree(base);
    });
    if (uid !== undefined) fs.chownSync(base, uid, uid);
    const world = new VagrantWorld(base, uid);
    const { gem } = await pluginPackages();
    await world.ok(base, ['plugin', 'install', gem, '--plugin-clean-sources']);
    return world;
  }

  /** A project: a folder with a Vagrantfile. @returns its path */
  project(name: string, vagrantfile: string): string {
    const folder = path.join(this.base, name);
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(
      path.join(folder, 'Vagrantfile'),
      `Vagrant.configure("2") do |config|\n${vagrantfile}\nend\n`,
    );
    if (this.#uid !== undefined) fs.chownSync(folder, this.#uid, this.#uid);
    return folder;
  }

  begin(cwd: string, args: readonly string[], options: ProgramOptions = {}): Running {
    const env = { ...this.env, ...options.env };
    const who = this.#uid === undefined ? {} : { uid: this.#uid };
    return new Running(['vagrant', ...args], { ...who, ...options, cwd, env });
  }

  run(cwd: string, args: readonly string[], options?: ProgramOptions): Promise<Finished> {
    return this.begin(cwd, args, options).done;
  }

  /** Like `run`, but a failure is one of the test. Gives stdout. */
  async ok(cwd: string, args: readonly string[], options?: ProgramOptions): Promise<string> {
    const { code, signal, stdout, stderr } = await this.run(cwd, args, options);
    if (code === 0) return stdout;
    throw new Error(`vagrant ${args.join(' ')}: ${signal ?? code}:\n${stdout}\n${stderr}`);
  }

  /** What a command prints in the guest, by vagrant ssh. */
  async ssh(cwd: string, command: string, machine: string[] = []): Promise<string> {
    return (await this.ok(cwd, ['ssh', ...machine, '-c', command])).trimEnd().replaceAll('\r', '');
  }

  /** Machine name → state, as `vagrant status --machine-readable` tells it. */
  async states(cwd: string): Promise<Record<string, string>> {
    const text = await this.ok(cwd, ['status', '--machine-readable']);
    const lines = text.split('\n').map((line) => line.split(','));
    return Object.fromEntries(
      lines.filter((words) => words[2] === 'state').map((words) => [words[1], words[3]]),
    );
  }

  /** What `blockhost-qemu VERB` prints about this world. */
  async program(verb: string, ...args: string[]): Promise<string> {
    const argv = ['blockhost-qemu', verb, ...args];
    const { code, stdout, stderr } = await new Running(argv, { env: this.env }).done;
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** All there is of VMs: names in the state directory, and processes. */
  async left(): Promise<string[]> {
    const look = (): string[] => [
      ...['vms', 'run', 'journal'].flatMap((name) => names(path.join(this.state, name))),
      ...processesAbout(this.state).map(({ command }) => command),
    ];
    await poll(() => (look().length === 0 ? true : undefined), {
      deadlineMs: 15_000,
      everyMs: 100,
    });
    return look();
  }
}

function names(directory: string): string[] {
  if (!fs.existsSync(directory)) return [];
  return fs.readdirSync(directory).filter((name) => !name.startsWith('.'));
}
