import * as fs from 'node:fs';
import * as path from 'node:path';
import { buildPackage } from '../../support/package.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import {
  asEngine,
  type BootOptions,
  type ExecOptions,
  type ExecResult,
  LabHost,
} from './lab-host.ts';

export const WALLET = `0x${'aB'.repeat(20)}`;

interface Scope {
  after(hook: () => Promise<void> | void): void;
}

/** A host as BlockHost's installer leaves it before the wizard, and packages of ours to be installed. */
export class BlockhostHost {
  readonly lab: LabHost;

  private constructor(lab: LabHost) {
    this.lab = lab;
  }

  /** The packages lie at /lab/share/VERSION.deb. */
  static async boot(
    scope: Scope,
    versions: readonly string[],
    options: Pick<BootOptions, 'memoryMb' | 'mounts'> = {},
  ): Promise<BlockhostHost> {
    const directory = temporaryDirectory(scope);
    const packages = versions.map((version) => {
      fs.mkdirSync(path.join(directory, version));
      return buildPackage(path.join(directory, version), version);
    });
    const lab = await LabHost.boot(scope, { ...options, program: false });
    for (const [i, file] of packages.entries()) {
      fs.copyFileSync(file, path.join(lab.share, `${versions[i]}.deb`));
    }
    return new BlockhostHost(lab);
  }

  /** As the engine runs it. */
  engine(...argv: string[]): Promise<ExecResult> {
    return this.lab.exec(asEngine(argv), { timeoutMs: 300_000 });
  }

  /** What an engine says, and in its words; `more` is for a guest that it does not have, by default the tiny one. */
  create(
    name: string,
    more: readonly string[] = this.#tiny,
    onOutput: ExecOptions['onOutput'] = () => undefined,
  ): Promise<ExecResult> {
    const argv = ['blockhost-vm-create', name, '--owner-wallet', WALLET, '--expiry-days', '30'];
    const options = { timeoutMs: 300_000, onOutput };
    return this.lab.exec(asEngine([...argv, ...more, '--apply']), options);
  }

  get #tiny(): string[] {
    return ['--image', this.lab.env.BLOCKHOST_TINY_GUEST ?? '', '--memory', '128', '--disk', '1'];
  }

  async database(): Promise<{
    vms: Record<string, Record<string, unknown>>;
    allocated_ips: string[];
  }> {
    return JSON.parse(await this.lab.sh('cat /var/lib/blockhost/vms.json'));
  }
}
