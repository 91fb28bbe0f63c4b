import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { parseVmName } from '../../../src/types.ts';
import { createVm } from '../../../src/vm/create.ts';
import { collectGarbage } from '../../../src/vm/gc.ts';
import { audit } from '../audit/audit.ts';
import { tinySpec } from '../faults.ts';
import type { Sandbox } from '../sandbox.ts';

const EXTRAS = {
  hostname: undefined,
  forwards: [],
  segments: [],
  disks: [],
  userData: [],
  address: undefined,
  wait: false,
};

/** VMs without a guest in one sandbox: they cost next to nothing while they run. */
export class BlankVms {
  readonly sandbox: Sandbox;
  readonly image: string;

  private constructor(sandbox: Sandbox, image: string) {
    this.sandbox = sandbox;
    this.image = image;
  }

  static async make(sandbox: Sandbox): Promise<BlankVms> {
    const image = path.join(path.dirname(sandbox.state), 'blank.qcow2');
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', image, '1M']);
    return new BlankVms(sandbox, image);
  }

  async create(name: string): Promise<void> {
    await createVm(this.sandbox.host(), { ...tinySpec(this.image, name), extras: EXTRAS });
  }

  createArgs(name: string): string[] {
    const size = ['--memory', '128', '--disk', '1'];
    return ['create', name, '--image', this.image, ...size, '--apply', '--no-wait'];
  }

  /** What is wrong once `gc` has had its chance, and no verb is under way. */
  async differences(): Promise<string[]> {
    const options = { execute: true, phases: [], graceDays: 7, mock: false };
    const outcomes = await collectGarbage(this.sandbox.host(), options);
    const failed = outcomes.filter(({ what }) => what === 'failed').map(({ why }) => `gc: ${why}`);
    const { state, run: directory } = this.sandbox.config.paths;
    return [...failed, ...(await audit({ state, run: directory }))];
  }

  /** Host-written, where only the VM's own disk has something. The VM has to be off. */
  async mark(name: string, action: 'read' | 'write'): Promise<boolean> {
    const { disk } = this.sandbox.files(parseVmName(name));
    const words = `${action} -P 0x5a 512M 64k`;
    const { stdout } = await run('qemu-io', ['-f', 'qcow2', '-c', words, disk], {
      okCodes: [0, 1],
    });
    return !stdout.includes('verification failed');
  }
}
