import * as path from 'node:path';
import { InputError } from '../errors.ts';
import type { VmName } from '../types.ts';

/**
 * Every file this program keeps, named in one place. `state` lasts, `run` is gone after a reboot.
 *
 * Directories and files that steer the root side (vm.json, run.json, records, templates) belong to
 * whoever runs the commands; only what QEMU must write (its disk, its sockets) belongs to QEMU's user.
 */
export class Paths {
  readonly state: string;
  readonly run: string;

  constructor(state: string, run: string) {
    this.state = state;
    this.run = run;
  }

  get templates(): string {
    return path.join(this.state, 'templates');
  }
  /** Symbolic link to the template that `create` uses when none is named. */
  get currentTemplate(): string {
    return path.join(this.templates, 'current');
  }
  template(id: string): TemplateFiles {
    const directory = path.join(this.templates, id);
    return {
      directory,
      image: path.join(directory, 'disk.qcow2'),
      manifest: path.join(directory, 'template.json'),
    };
  }
  /** Where a template is made before it is published by one rename; same file system as `templates`. */
  get staging(): string {
    return path.join(this.state, 'staging');
  }

  get vms(): string {
    return path.join(this.state, 'vms');
  }
  vm(name: VmName): VmFiles {
    const directory = path.join(this.vms, name);
    const runDirectory = path.join(this.run, name);
    const files = {
      directory,
      config: path.join(directory, 'vm.json'),
      process: path.join(directory, 'run.json'),
      disk: path.join(directory, 'disk.qcow2'),
      seed: path.join(directory, 'seed.iso'),
      consoleLog: path.join(directory, 'console.log'),
      consoleLogOld: path.join(directory, 'console.log.1'),
      qemuLog: path.join(directory, 'qemu.log'),
      run: runDirectory,
      qmp: path.join(runDirectory, 'qmp.sock'),
      stat: path.join(runDirectory, 'stat.sock'),
      probe: path.join(runDirectory, 'probe.sock'),
      agent: path.join(runDirectory, 'qga.sock'),
      console: path.join(runDirectory, 'console.sock'),
      consoleFifo: path.join(directory, 'console.fifo'),
      pid: path.join(runDirectory, 'qemu.pid'),
    };
    assertSocketPathFits(files.console, runDirectory);
    return files;
  }

  get records(): string {
    return path.join(this.state, 'vms.json');
  }
  lock(name: VmName): string {
    return path.join(this.state, 'locks', `${name}.lock`);
  }
  get journals(): string {
    return path.join(this.state, 'journal');
  }
  journal(name: VmName): string {
    return path.join(this.journals, `${name}.json`);
  }
  metricsSample(name: VmName): string {
    return path.join(this.state, 'metrics', `${name}.json`);
  }
  /** What the resident sampler publishes; a name that no VM can have. */
  get statd(): string {
    return path.join(this.run, '.statd');
  }
  published(name: VmName): string {
    return path.join(this.statd, name);
  }
  history(name: VmName): string {
    return path.join(this.statd, '.history', name);
  }
  /** What was found out about KVM during this boot. */
  get accelProbe(): string {
    return path.join(this.run, '.accel.json');
  }
}

export interface TemplateFiles {
  directory: string;
  /** Immutable qcow2 without a backing file. */
  image: string;
  manifest: string;
}

export type VmFiles = Record<
  | 'directory'
  | 'config'
  | 'process'
  | 'disk'
  | 'seed'
  | 'consoleLog'
  | 'consoleLogOld'
  | 'qemuLog'
  | 'run'
  | 'qmp'
  | 'stat'
  | 'probe'
  | 'agent'
  | 'console'
  | 'consoleFifo'
  | 'pid',
  string
>;

/** sun_path of unix(7) holds 108 bytes with the final NUL. */
const SUN_PATH_MAX = 107;

function assertSocketPathFits(longest: string, directory: string): void {
  const excess = Buffer.byteLength(longest) - SUN_PATH_MAX;
  if (excess <= 0) return;
  throw new InputError(`the path ${directory} is ${excess} bytes too long for a Unix socket`, {
    hint: 'use a shorter VM name, or a shorter run directory (BLOCKHOST_QEMU_RUN_DIR)',
  });
}
