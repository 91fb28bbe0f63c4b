import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { Paths } from '../../../src/host/paths.ts';
import { identify } from '../../../src/host/process.ts';
import { writeIncarnation } from '../../../src/store/incarnation.ts';
import { writeVmConfig } from '../../../src/store/vm-config.ts';
import { parseVmName } from '../../../src/types.ts';
import { projectRoot } from '../program.ts';
import { removeTree } from '../temporary.ts';
import { configOf } from './config.ts';

export interface StubVm {
  name: string;
  /** Manners of its guest agent; none: nothing in the guest has the port open. */
  agent: 'good' | 'silent' | 'drip' | 'lie' | 'none';
}

export function stubVms(count: number, agent: StubVm['agent'] = 'good', from = 0): StubVm[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `vm${String(from + i).padStart(3, '0')}`,
    agent,
  }));
}

/** VMs whose QEMUs are stubs in other processes, in a state directory of their own. */
export class Fleet {
  readonly paths: Paths;
  readonly env: NodeJS.ProcessEnv;
  readonly #directories: string[];
  readonly #stubs: ChildProcess[] = [];
  #count = 0;

  constructor() {
    // As on a host, what is gone after a reboot lies in memory.
    const [state, run] = [os.tmpdir(), '/dev/shm'].map((base) => {
      const directory = fs.mkdtempSync(path.join(base, 'bh-fleet-'));
      fs.chmodSync(directory, 0o755);
      return directory;
    }) as [string, string];
    this.#directories = [state, run];
    this.paths = new Paths(state, run);
    fs.mkdirSync(this.paths.vms);
    this.env = {
      ...process.env,
      BLOCKHOST_QEMU_STATE_DIR: state,
      BLOCKHOST_QEMU_RUN_DIR: run,
    };
  }

  /** Starts one more stub process that serves these VMs. */
  async add(vms: readonly StubVm[]): Promise<ChildProcess> {
    const child = await this.#serve(vms);
    for (const vm of vms) {
      const files = this.paths.vm(parseVmName(vm.name));
      fs.mkdirSync(files.directory);
      writeVmConfig(files, configOf(vm.name, this.#count++));
    }
    this.#note(child, vms);
    return child;
  }

  /** Another run of a VM whose stub has ended. */
  async restart(vm: StubVm): Promise<ChildProcess> {
    fs.rmSync(this.paths.vm(parseVmName(vm.name)).run, { recursive: true });
    const child = await this.#serve([vm]);
    this.#note(child, [vm]);
    return child;
  }

  async #serve(vms: readonly StubVm[]): Promise<ChildProcess> {
    const stub = path.join(projectRoot(), 'test/support/fleet/stub.mjs');
    const argv = [stub, this.paths.run, JSON.stringify(vms)];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#stubs.push(child);
    const ended = once(child, 'exit').then(() => Promise.reject(new Error('a stub has ended')));
    ended.catch(() => undefined);
    await Promise.race([once(child.stdout, 'data'), ended]);
    return child;
  }

  #note(child: ChildProcess, vms: readonly StubVm[]): void {
    const identity = identify(child.pid ?? 0);
    if (identity === undefined) throw new Error('the stub has ended');
    const started_at = new Date().toISOString();
    for (const { name } of vms) {
      const files = this.paths.vm(parseVmName(name));
      writeIncarnation(files, { ...identity, runner: 'direct', accel: 'tcg', started_at });
    }
  }

  async remove(): Promise<void> {
    for (const stub of this.#stubs) {
      const ended = once(stub, 'exit');
      stub.kill('SIGKILL');
      if (stub.exitCode === null && stub.signalCode === null) await ended;
    }
    for (const directory of this.#directories) removeTree(directory);
  }
}
