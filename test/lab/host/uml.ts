import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Duplex } from 'node:stream';

export interface UmlOptions {
  /** Read only; what is written goes to `disk.cow` in the directory. */
  image: string;
  directory: string;
  /** Loaded into the kernel's process (preload.ts). */
  library: string;
  memoryMb: number;
  cpu: number;
  mounts: readonly Mount[];
}

/** A folder of this machine, inside. */
export interface Mount {
  from: string;
  to: string;
  mode: 'ro' | 'rw';
}

export interface Uml {
  process: ChildProcess;
  /** ttyS0 of the host. */
  line: Duplex;
  /** Resolves when no process of it is left, with what ended it. */
  ended: Promise<string>;
}

/**
 * Switches a host on: User-mode Linux, a Linux kernel that is a process. It has a PID namespace of its own, and
 * the chain of parent-death signals ends all of it with this process, in whatever way that ends.
 */
export function startUml(options: UmlOptions): Uml {
  const { directory, image, library, memoryMb, cpu, mounts } = options;
  const log = fs.openSync(path.join(directory, 'console.log'), 'a');
  const argv = [
    ...['setpriv', '--pdeathsig=KILL', 'unshare', '--pid', '--fork', '--mount-proc'],
    ...['--kill-child=KILL', 'taskset', '-c', String(cpu)],
    // The namespace's first process: it may not be the kernel, which replaces itself at a reboot.
    ...['sh', '-c', '"$@"; exit $?', 'sh'],
    ...['env', `LD_PRELOAD=${library}`, 'linux.uml'],
    ...[`ubda=${path.join(directory, 'disk.cow')},${image}`, 'root=/dev/ubda', 'rw'],
    ...[`mem=${memoryMb}M`, 'con=null', 'con0=null,fd:1', 'ssl=null', 'ssl0=fd:3'],
    ...['umid=host', `uml_dir=${directory}`, 'quiet', 'systemd.show_status=0'],
    ...mounts.map(({ from, to, mode }) => `lab.mount=${from}:${to}:${mode}`),
  ];
  const [command = '', ...args] = argv;
  // A session of its own: an interrupt at the terminal is for the tests, and they end their hosts.
  const child = spawn(command, args, {
    stdio: ['ignore', log, log, 'pipe'],
    cwd: directory,
    detached: true,
  });
  fs.closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    // Unlike `exit` it waits for everybody who has the line open, which every process of the kernel has.
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  return { process: child, line: child.stdio[3] as Duplex, ended };
}
