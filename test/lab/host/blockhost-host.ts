import * as fs from 'node:fs';
import * as path from 'node:path';
import { buildPackage } from '../../support/package.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { asEngine, type ExecResult, LabHost } from './lab-host.ts';

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
  static async boot(scope: Scope, versions: readonly string[]): Promise<BlockhostHost> {
    const directory = temporaryDirectory(scope);
    const packages = versions.map((version) => {
      fs.mkdirSync(path.join(directory, version));
      return buildPackage(path.join(directory, version), version);
    });
    const lab = await LabHost.boot(scope, { program: false });
    for (const [i, file] of packages.entries()) {
      fs.copyFileSync(file, path.join(lab.share, `${versions[i]}.deb`));
    }
    return new BlockhostHost(lab);
  }

  /** As the engine runs it. */
  engine(...argv: string[]): Promise<ExecResult> {
    return this.lab.exec(asEngine(argv), { timeoutMs: 300_000 });
  }

  /** From the tiny guest, or whatever other options of `create` say. */
  create(
    name: string,
    source = ['--image', this.lab.env.BLOCKHOST_TINY_GUEST ?? ''],
  ): Promise<ExecResult> {
    const wallet = `0x${'aB'.repeat(20)}`;
    return this.engine(
      ...['blockhost-vm-create', name, '--owner-wallet', wallet, '--expiry-days', '30'],
      ...[...source, '--memory', '128', '--disk', '1', '--apply'],
    );
  }

  async database(): Promise<{
    vms: Record<string, Record<string, unknown>>;
    allocated_ips: string[];
  }> {
    return JSON.parse(await this.lab.sh('cat /var/lib/blockhost/vms.json'));
  }
}
