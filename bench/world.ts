import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

export interface Timed {
  seconds: number;
  stdout: string;
}

/** A state directory of its own, and the built program run in it as a user would. */
export class World {
  readonly state: string;
  readonly env: NodeJS.ProcessEnv;

  constructor(base = os.tmpdir()) {
    this.state = fs.mkdtempSync(path.join(base, 'bh-bench-'));
    fs.chmodSync(this.state, 0o711);
    this.env = {
      ...process.env,
      BLOCKHOST_QEMU_STATE_DIR: this.state,
      BLOCKHOST_QEMU_RUN_DIR: path.join(this.state, 'run'),
    };
  }

  /** @throws when the program fails. */
  async verb(verb: string, ...args: string[]): Promise<Timed> {
    const program = path.join(process.cwd(), 'dist/bin/blockhost-qemu');
    return await timed(program, [verb, ...args], this.env);
  }

  remove(): void {
    fs.rmSync(this.state, { recursive: true, force: true });
  }
}

export async function timed(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Timed> {
  const began = performance.now();
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const seconds = (performance.now() - began) / 1000;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${code}: ${stderr}`);
  return { seconds, stdout };
}

/** Highest resident memory of a node program in MB, as it says itself when it ends. */
export function peakMemoryMb(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): number {
  const hook =
    "process.on('exit',()=>process.stderr.write('\\nPEAK '+process.resourceUsage().maxRSS+'\\n'))";
  const result = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, script, ...args],
    { env, encoding: 'utf8' },
  );
  const peak = /PEAK (\d+)/.exec(result.stderr)?.[1];
  if (peak === undefined) throw new Error(`no memory figure: ${result.stderr}`);
  return Number(peak) / 1024;
}
