import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { Paths } from '../../../src/host/paths.ts';
import { identify } from '../../../src/host/process.ts';
import { writeIncarnation } from '../../../src/store/incarnation.ts';
import { type VmConfig, writeVmConfig } from '../../../src/store/vm-config.ts';
import { parseVmName } from '../../../src/types.ts';
import { projectRoot } from '../program.ts';

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
    const stub = path.join(projectRoot(), 'test/support/fleet/stub.mjs');
    const argv = [stub, this.paths.run, JSON.stringify(vms)];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#stubs.push(child);
    await once(child.stdout, 'data');
    const process_ = identify(child.pid ?? 0);
    if (process_ === undefined) throw new Error('the stub has ended');
    for (const vm of vms) {
      const files = this.paths.vm(parseVmName(vm.name));
      fs.mkdirSync(files.directory);
      writeVmConfig(files, configOf(vm.name, this.#count++));
      const started_at = new Date().toISOString();
      writeIncarnation(files, { ...process_, runner: 'direct', accel: 'tcg', started_at });
    }
    return child;
  }

  async remove(): Promise<void> {
    for (const stub of this.#stubs) {
      const ended = once(stub, 'exit');
      stub.kill('SIGKILL');
      if (stub.exitCode === null && stub.signalCode === null) await ended;
    }
    for (const directory of this.#directories)
      fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** On a "tap" that is always there, so that its counters are really read. */
function configOf(name: string, index: number): VmConfig {
  const id = String(index).padStart(12, '0');
  return {
    version: 1,
    name,
    vmid: 100 + index,
    uuid: `00000000-0000-4000-8000-${id}`,
    generation_id: `00000000-0000-4000-9000-${id}`,
    created_at: '2026-01-01T00:00:00Z',
    vcpus: 2,
    memory_mb: 1024,
    disk_bytes: 20 * 2 ** 30,
    mac: '52:54:00:00:00:01',
    network: { mode: 'bridge', bridge: 'br0', tap: 'lo', ipv4: '', ipv6: '' },
    template: 'none',
    username: 'admin',
  };
}
