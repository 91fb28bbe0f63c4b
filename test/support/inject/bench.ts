import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { parseVmName } from '../../../src/types.ts';
import { createVm } from '../../../src/vm/create.ts';
import { destroyVm } from '../../../src/vm/destroy.ts';
import { gone, processesOf } from '../../../src/vm/end-qemu.ts';
import { endVm } from '../../../src/vm/end-vm.ts';
import { collectGarbage } from '../../../src/vm/gc.ts';
import { observe } from '../../../src/vm/observe.ts';
import { pauseVm } from '../../../src/vm/pause.ts';
import { startVm } from '../../../src/vm/start.ts';
import { killVm } from '../../../src/vm/stop.ts';
import { audit } from '../audit/audit.ts';
import type { World } from '../audit/world.ts';
import { tinySpec } from '../faults.ts';
import type { Sandbox } from '../sandbox.ts';
import { blankImage, type Scenario, type State, VM } from './scenarios.ts';

const name = parseVmName(VM);
/** Beyond what the template covers: only the VM's own disk can have it. */
const MARK = ['0x5a', '512M', '64k'];
/** Many QEMUs emulate at once meanwhile: what is unknown after this time is wrong. */
const PATIENCE_MS = 30_000;
/** What a verb says that finds its work done, by the command with the fault. */
const ALREADY =
  /exists already|has no snapshot|is not suspended|has a snapshot|not exist|no record|is running/;
const EXTRAS = {
  hostname: undefined,
  forwards: [],
  segments: [],
  disks: [{ bytes: 1024 ** 3 }],
  userData: [],
  address: undefined,
  wait: false,
};

let made = 0;

/** One VM in a sandbox of its own, brought to a state, and judged afterwards. */
export class Bench {
  readonly sandbox: Sandbox;
  readonly #world: World;

  static async make(sandbox: Sandbox): Promise<Bench> {
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', blankImage(sandbox), '1M']);
    // Each with numbers of its own, so that they do not take each other's ports.
    const next = 100 + 400 * made++;
    const database = { vms: {}, next_vmid: next, allocated_ips: [], allocated_ipv6: [] };
    fs.mkdirSync(sandbox.state, { recursive: true });
    fs.writeFileSync(sandbox.config.paths.records, JSON.stringify(database));
    const bench = new Bench(sandbox);
    // What is made once and stays is no part of any case.
    await bench.#make();
    await bench.#clear();
    return bench;
  }

  private constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
    const { state, run } = sandbox.config.paths;
    this.#world = { state, run };
  }

  async prepare({ from, prepare }: Scenario): Promise<void> {
    await this.#clear();
    const host = this.sandbox.host();
    if (from !== 'absent') {
      await this.#make();
      await killVm(host, name);
      await this.#disk('write');
    }
    if (from === 'running' || from === 'paused') await startVm(host, name);
    if (from === 'paused') await pauseVm(host, name);
    await prepare?.(this.sandbox);
  }

  /**
   * A QEMU that was told to quit does so in its own time, and until then it is a VM that runs: `gc` leaves it alone,
   * and whoever looks at the VM next, or statd, tidies up after it. It has not heard, and runs on, when it saw the end of the
   * connection first: then it answers the next client.
   */
  async settle(point: string): Promise<void> {
    if (!/^ask qmp\.sock quit/.test(point)) return;
    const files = this.sandbox.files(VM);
    const processes = processesOf(files);
    const answers = (): Promise<unknown> =>
      withQmp(files.qmp, (qmp) => qmp.execute('query-status')).catch(() => undefined);
    const settled = async (): Promise<true | undefined> =>
      (await gone(processes, 0)) || (await answers()) !== undefined ? true : undefined;
    if ((await poll(settled, { deadlineMs: PATIENCE_MS, everyMs: 50 })) === undefined)
      throw new Error('QEMU was told to quit, and neither ends nor answers');
  }

  /** What the fault did, after the next verb on the VM, or `gc`, had its chance to mend it. */
  async judge(
    { outcomes, argv, from, check }: Scenario,
    recovery: 'gc' | 'verb',
  ): Promise<string[]> {
    const host = this.sandbox.host();
    const lines: string[] = [];
    if (recovery === 'verb') {
      const { code, stderr } = await this.#again(argv(this.sandbox));
      if (code !== 0 && !ALREADY.test(stderr)) lines.push(`the verb again: ${stderr.trim()}`);
    }
    const options = { execute: true, phases: [], graceDays: 7, mock: false };
    for (const { what, why } of await collectGarbage(host, options))
      if (what === 'failed') lines.push(`gc failed: ${why}`);
    lines.push(...(await audit(this.#world)), ...(check?.(this.sandbox) ?? []));
    const state = await this.#state();
    if (!outcomes.includes(state)) lines.push(`the VM is ${state}, not ${outcomes.join(' or ')}`);
    if (state !== 'absent' && from !== 'absent') lines.push(...(await this.#looks(state)));
    await this.#clear();
    for (const line of await audit(this.#world)) lines.push(`after destroy: ${line}`);
    return lines;
  }

  async #make(): Promise<void> {
    const { network, bridge } = this.sandbox.config.settings;
    const spec = tinySpec(blankImage(this.sandbox), VM, { network, bridge });
    await createVm(this.sandbox.host(), { ...spec, extras: EXTRAS });
  }

  async #again(argv: readonly string[]): Promise<{ code: number | null; stderr: string }> {
    const [verb = '', ...args] = argv;
    return await this.sandbox.run(verb, args);
  }

  /** Takes the VM off and reads its disk, as whoever owns it. */
  async #looks(state: State): Promise<string[]> {
    const lines: string[] = [];
    // Not killed: a QEMU that is ended while it writes its bitmaps leaks a cluster or two.
    if (state !== 'off') await endVm(this.sandbox.host(), name, 'kill', PATIENCE_MS);
    if (!(await this.#disk('read'))) lines.push('the disk has LOST what was written to it');
    const { directory } = this.sandbox.files(VM);
    for (const file of fs.readdirSync(directory).filter((entry) => entry.endsWith('.qcow2'))) {
      const { exitCode, stdout } = await run(
        'qemu-img',
        ['check', '--output=json', path.join(directory, file)],
        { okCodes: [0, 1, 2, 3] },
      );
      const { leaks = 0, corruptions = 0 } = JSON.parse(stdout);
      if (exitCode !== 0) lines.push(`${file}: ${leaks} clusters leaked, ${corruptions} corrupt`);
    }
    return lines;
  }

  async #disk(action: 'read' | 'write'): Promise<boolean> {
    const words = `${action} -P ${MARK.join(' ')}`;
    const { disk } = this.sandbox.files(VM);
    const { stdout } = await run('qemu-io', ['-f', 'qcow2', '-c', words, disk], {
      okCodes: [0, 1],
    });
    return !stdout.includes('verification failed');
  }

  async #state(): Promise<State> {
    if (!fs.existsSync(this.sandbox.files(VM).directory)) return 'absent';
    const { state } = await observe(this.sandbox.host(), name, PATIENCE_MS);
    return state === 'stopped' ? 'off' : (state as State);
  }

  async #clear(): Promise<void> {
    await destroyVm(this.sandbox.host(), name);
    const base = path.dirname(this.sandbox.state);
    for (const file of ['x.qcow2', 'x.backup']) fs.rmSync(path.join(base, file), { force: true });
  }
}
