import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { sleep } from '../../src/host/time.ts';
import { createOverlay } from '../../src/image/qcow2.ts';
import { type SeedContent, writeSeed } from '../../src/image/seed.ts';
import { AgentClient } from '../../src/qmp/agent/client.ts';
import { guestExec } from '../../src/qmp/agent/exec.ts';
import { GiB } from '../../src/types.ts';
import { removeTree } from './temporary.ts';

/** Generous: an emulated guest on a busy machine. Nobody waits that long unless something is broken. */
const PATIENCE_MS = 300_000;

export const GUEST_MAC = '52:54:00:12:34:56';

/** A guest on a template, started by hand: only the image under test is ours. */
export class DebianGuest {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #sshPort: number;
  readonly #began = performance.now();

  private constructor(child: ChildProcess, folder: string, sshPort: number) {
    this.#child = child;
    this.#folder = folder;
    this.#sshPort = sshPort;
  }

  static async boot(image: string, seed: SeedContent, diskGiB: number): Promise<DebianGuest> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'guest-'));
    const at = (name: string): string => path.join(folder, name);
    const disk = { file: at('disk.qcow2'), sizeBytes: diskGiB * GiB };
    await createOverlay({ ...disk, backing: image, backingFormat: 'qcow2' });
    await writeSeed(at('seed.iso'), seed);
    const sshPort = await freePort();
    const child = spawn('qemu-system-x86_64', argv(at, sshPort), {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return new DebianGuest(child, folder, sshPort);
  }

  get seconds(): number {
    return Math.round((performance.now() - this.#began) / 100) / 10;
  }

  get cpuSeconds(): number {
    const stat = fs.readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1] ?? '';
    const fields = stat.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  get console(): string {
    return fs.readFileSync(path.join(this.#folder, 'console.log'), 'utf8');
  }

  /** What a shell script prints in the guest; waits for the agent. Exit code 0 is expected. */
  async sh(script: string): Promise<string> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.#try(script);
      } catch (error) {
        if (error instanceof ScriptError || performance.now() > end) throw error;
        this.#mustRun();
        await sleep(200);
      }
    }
  }

  /** Until a shell script succeeds. */
  async until(script: string): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        await this.#try(script);
        return;
      } catch (error) {
        if (performance.now() > end)
          throw new Error(`not in time: ${script}\n${this.console.slice(-2000)}`, { cause: error });
        this.#mustRun();
        await sleep(200);
      }
    }
  }

  /** The first line sshd sends. */
  async sshBanner(): Promise<string> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const banner = await readBanner(this.#sshPort);
      if (banner.startsWith('SSH-') || performance.now() > end) return banner;
      this.#mustRun();
      await sleep(200);
    }
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await new Promise((resolve) => this.#child.once('exit', resolve));
    }
    removeTree(this.#folder);
  }

  async #try(script: string): Promise<string> {
    const agent = await AgentClient.open(path.join(this.#folder, 'agent'), { deadlineMs: 5000 });
    try {
      const result = await guestExec(agent, {
        path: '/bin/sh',
        args: ['-c', script],
        deadlineMs: PATIENCE_MS,
      });
      if (result.exitCode === 0) return result.stdout.toString('utf8').trimEnd();
      throw new ScriptError(`${script}: ${result.stderr.toString('utf8')}`);
    } finally {
      agent.close();
    }
  }

  #mustRun(): void {
    if (this.#child.exitCode !== null) throw new Error(`QEMU has ended\n${this.console}`);
  }
}

class ScriptError extends Error {}

function argv(at: (name: string) => string, sshPort: number): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35'],
    ...['-accel', 'tcg', '-cpu', 'qemu64', '-m', '1024'],
    ...[
      '-blockdev',
      `driver=qcow2,node-name=disk,file.driver=file,file.filename=${at('disk.qcow2')}`,
    ],
    ...['-device', 'virtio-blk-pci,drive=disk,bootindex=1'],
    ...[
      '-blockdev',
      `driver=raw,node-name=seed,read-only=on,file.driver=file,file.filename=${at('seed.iso')}`,
    ],
    ...['-device', 'virtio-blk-pci,drive=seed'],
    ...['-netdev', `user,id=net,hostfwd=tcp:127.0.0.1:${sshPort}-:22`],
    ...['-device', `virtio-net-pci,netdev=net,mac=${GUEST_MAC},romfile=`],
    ...['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci'],
    ...['-chardev', `socket,id=agent,path=${at('agent')},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ...['-serial', `file:${at('console.log')}`],
  ];
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      );
    });
  });
}

function readBanner(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const done = (text: string): void => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(5000, () => done(''));
    socket.once('error', () => done(''));
    socket.once('close', () => done(''));
    socket.once('data', (bytes) => done(bytes.toString('latin1').trim()));
  });
}
