import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { messageOf, ProvisionerError } from '../../../src/errors.ts';
import { poll } from '../../../src/host/time.ts';
import { askAgent } from './ask-agent.ts';
import { LineSocket } from './line-socket.ts';
import { machineArgv, makeMachineFiles } from './machine-files.ts';

/** Long enough for a boot on a busy machine; no test waits for it unless something is broken. */
const BOOT_MS = 180_000;
/** As long as an agent that is there takes to answer; one that has gone never does. */
const LEAVE_MS = 5000;

type Message = Record<string, unknown>;

/** A QEMU with the tiny guest and nothing of the program under test in between. */
export class Machine {
  readonly #child: ChildProcess;
  readonly #qmp: LineSocket;
  readonly #directory: string;

  private constructor(child: ChildProcess, qmp: LineSocket, directory: string) {
    this.#child = child;
    this.#qmp = qmp;
    this.#directory = directory;
  }

  /**
   * Starts QEMU with a fresh overlay of the guest's disk and a seed of these files.
   * @param more further words of QEMU's command line
   */
  static async boot(seed: Record<string, string>, more: readonly string[] = []): Promise<Machine> {
    const directory = await makeMachineFiles(seed);
    // Not even a killed test leaves its QEMU behind.
    const command = [
      '--pdeathsig',
      'KILL',
      'qemu-system-x86_64',
      ...machineArgv(directory),
      ...more,
    ];
    const child = spawn('setpriv', command, { stdio: ['ignore', 'ignore', 'inherit'] });
    try {
      const qmp = await poll(
        () => LineSocket.connect(path.join(directory, 'qmp')).catch(() => undefined),
        {
          deadlineMs: 10_000,
          everyMs: 10,
        },
      );
      if (qmp === undefined) throw new ProvisionerError('QEMU opened no control socket');
      const machine = new Machine(child, qmp, directory);
      await qmp.line(5000);
      await machine.qmp('qmp_capabilities');
      return machine;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  async qmp(execute: string): Promise<unknown> {
    this.#qmp.send({ execute });
    for (;;) {
      const message = JSON.parse(await this.#qmp.line(10_000)) as Message;
      if ('return' in message) return message.return;
      if ('error' in message) throw new ProvisionerError(JSON.stringify(message.error));
    }
  }

  /** The next event of this name; those before it are dropped. */
  async event(name: string): Promise<Message> {
    for (;;) {
      const message = JSON.parse(await this.#qmp.line(BOOT_MS)) as Message;
      if (message.event === name) return message.data as Message;
    }
  }

  /** Waits for a shell command to succeed in the guest. */
  async until(command: string): Promise<void> {
    const loop = `for i in $(seq 300); do ${command} && exit; sleep 0.1; done >/dev/null 2>&1`;
    const answer = await this.sh(`(${loop}; echo never)`);
    if (answer !== '') throw new ProvisionerError(`the guest never came to: ${command}`);
  }

  /** Waits until the guest has closed the agent's port; not by events, as QEMU merges those of a second. */
  async agentPortClosed(): Promise<void> {
    const closed = async (): Promise<true | undefined> => {
      const devices = (await this.qmp('query-chardev')) as Message[];
      const agent = devices.find(({ label }) => label === 'agent');
      return agent?.['frontend-open'] === false ? true : undefined;
    };
    if ((await poll(closed, { deadlineMs: BOOT_MS, everyMs: 50 })) === undefined)
      throw new ProvisionerError("the guest did not close the agent's port");
  }

  connectAgent(): Promise<LineSocket> {
    return LineSocket.connect(path.join(this.#directory, 'agent'));
  }

  /** One command to the agent on a connection of its own. Waits for the agent to appear. */
  async agent(execute: string, args: Message = {}, deadlineMs = BOOT_MS): Promise<unknown> {
    const socket = await this.connectAgent();
    try {
      return await askAgent(socket, execute, args, deadlineMs);
    } catch (error) {
      throw new ProvisionerError(
        `${messageOf(error)}; its console: ${this.console().slice(-2000)}`,
      );
    } finally {
      socket.close();
    }
  }

  /** What a shell script run in the guest prints. */
  async sh(script: string): Promise<string> {
    const started = await this.agent('guest-exec', {
      path: '/bin/sh',
      arg: ['-c', `{ ${script}\n} 2>&1`],
      'capture-output': true,
    });
    const { pid } = started as { pid: number };
    for (;;) {
      const status = (await this.agent('guest-exec-status', { pid })) as Message;
      if (status.exited === true)
        return Buffer.from(String(status['out-data'] ?? ''), 'base64')
          .toString('utf8')
          .trimEnd();
    }
  }

  /** Runs what takes the guest away, maybe before its agent has said that it was started. */
  async leave(script: string): Promise<void> {
    const shell = { path: '/bin/sh', arg: ['-c', `setsid ${script} >/dev/null 2>&1 &`] };
    await this.agent('guest-exec', shell, LEAVE_MS).catch(() => undefined);
  }

  /** Runs a command on the console, which works whatever the agent does, and waits for its end. */
  async type(command: string): Promise<void> {
    const prompt = (): true | undefined => this.console().includes('tiny# ') || undefined;
    await poll(prompt, { deadlineMs: BOOT_MS, everyMs: 100 });
    const console = await LineSocket.connect(path.join(this.#directory, 'console'));
    try {
      // Quoted: the echo of what is typed must not look like the answer.
      console.sendBytes(Buffer.from(`${command}; echo do'n'e\n`));
      await console.until(() => console.received.includes('done'), 'the end of a command', BOOT_MS);
    } finally {
      console.close();
    }
  }

  console(): string {
    return fs.readFileSync(path.join(this.#directory, 'console.log'), 'latin1');
  }

  async ended(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      await once(this.#child, 'exit', { signal: AbortSignal.timeout(BOOT_MS) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#qmp.close();
    this.#child.kill('SIGKILL');
    await this.ended();
    fs.rmSync(this.#directory, { recursive: true });
  }
}
