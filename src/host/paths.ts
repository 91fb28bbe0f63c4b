import * as path from 'node:path';
import { InputError } from '../errors.ts';
import type { VmName } from '../types.ts';

/**
 * Every file this program keeps, named in one place. `state` lasts, `run` is gone after a reboot.
 *
 * What steers the root side (vm.json, run.json, templates) is root's; what QEMU must write (its disk, its
 * sockets) is its user's. What the unprivileged side keeps between its verbs (locks, journals, samples) lies
 * in `front`, which is `state` itself where one user does everything.
 */
export class Paths {
  readonly state: string;
  readonly run: string;
  readonly front: string;

  constructor(state: string, run: string, front = state) {
    this.state = state;
    this.run = run;
    this.front = front;
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
      seen: path.join(directory, 'seen.json'),
    };
  }
  /** Where a template is made before it is published; with one user on the file system of `templates`. */
  get staging(): string {
    return path.join(this.front, 'staging');
  }
  /** What is being removed: out of the way by one rename, however long the rest takes. */
  get trash(): string {
    return path.join(this.state, 'trash');
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
      ended: path.join(directory, 'ended.json'),
      disk: path.join(directory, 'disk.qcow2'),
      seed: path.join(directory, 'seed.iso'),
      backups: path.join(directory, 'backups.json'),
      fleece: path.join(directory, 'backup'),
      consoleLog: path.join(directory, 'console.log'),
      consoleLogOld: path.join(directory, 'console.log.1'),
      qemuLog: path.join(directory, 'qemu.log'),
      qemuLogOld: path.join(directory, 'qemu.log.1'),
      qemuFifo: path.join(directory, 'qemu.fifo'),
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
    return path.join(this.front, 'vms.json');
  }
  /** Held by a verb from its beginning to its end. */
  lock(name: VmName): string {
    return path.join(this.front, 'locks', `${name}.lock`);
  }
  /** Held by whoever copies a VM's disks, the root side, from begin to end: other verbs of the VM go on meanwhile. */
  backupLock(name: VmName): string {
    return path.join(this.state, 'locks', `.backup-${name}.lock`);
  }
  /** Of the server that shows the disks of a VM that is off; a name that no VM can have. */
  imageServer(name: VmName): string {
    return path.join(this.run, `.nbd-${name}`);
  }
  /** Held by the root side while it works on a request: its caller may be gone, and another one come. */
  rootLock(name: VmName): string {
    return path.join(this.state, 'locks', `.root-${name}.lock`);
  }
  /** Held while an image of the store is read through. */
  templateLock(id: string): string {
    return path.join(this.state, 'locks', `.template-${id}.lock`);
  }
  /** Held for a moment by who begins to use templates, and by who takes one away that nobody uses. */
  get claimsLock(): string {
    return path.join(this.front, 'locks', '.claims.lock');
  }
  get journals(): string {
    return path.join(this.front, 'journal');
  }
  journal(name: VmName): string {
    return path.join(this.journals, `${name}.json`);
  }
  get restartsDirectory(): string {
    return path.join(this.front, 'restarts');
  }
  /** How restarting the VM after a crash stands. */
  restarts(name: VmName): string {
    return path.join(this.restartsDirectory, `${name}.json`);
  }
  get metrics(): string {
    return path.join(this.front, 'metrics');
  }
  metricsSample(name: VmName): string {
    return path.join(this.metrics, `${name}.json`);
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
  /**
   * What happened to the VM lately, as the resident sampler saw it; and what consoles and QEMU said then, which is no
   * more for everybody than their logs. The second is a name that no VM can have.
   */
  events(name: VmName): { events: string; lines: string } {
    const directory = path.join(this.statd, '.events');
    return { events: path.join(directory, name), lines: path.join(directory, `.${name}.lines`) };
  }
  /** Where the sampler marks VMs that have crashed and are to be started again. */
  get crashMarks(): string {
    return path.join(this.statd, '.crashed');
  }
  crashMark(name: VmName): string {
    return path.join(this.crashMarks, name);
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
  /** Which file was read through last, and what it held (image/template-check.ts). */
  seen: string;
}

export type VmFiles = Record<
  | 'directory'
  | 'config'
  | 'process'
  | 'ended'
  | 'disk'
  | 'seed'
  | 'backups'
  | 'fleece'
  | 'consoleLog'
  | 'consoleLogOld'
  | 'qemuLog'
  | 'qemuLogOld'
  | 'qemuFifo'
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
