import * as fs from 'node:fs';
import * as path from 'node:path';
import type { TestContext } from 'node:test';
import { BlockhostStore } from '../../../src/store/blockhost.ts';
import { HelperClient, type HelperCommand } from '../../../src/store/helper-client.ts';
import { temporaryDirectory } from '../temporary.ts';

export interface BlockhostFiles {
  etc: string;
  database: string;
  ledger: string;
}

/** Where the Python package `blockhost` comes from: the stand-in, or BlockHost's own when this is set. */
export const PACKAGE =
  process.env.BLOCKHOST_PYTHON ?? path.resolve('test/support/blockhost/python');

/** Whoever calls back at the end: a test's context, or node:test itself. */
type Scope = { after(hook: () => void): void };

/** Directories of a BlockHost host, below a temporary one. */
export function blockhostFiles(t: Scope, settings: Record<string, unknown> = {}) {
  const root = temporaryDirectory(t);
  const etc = path.join(root, 'etc');
  fs.mkdirSync(etc);
  fs.mkdirSync(path.join(root, 'var'));
  const files: BlockhostFiles = {
    etc,
    database: path.join(root, 'var', 'vms.json'),
    ledger: path.join(root, 'var', 'qemu-ledger.json'),
  };
  writeDbYaml(files, settings);
  return files;
}

export function writeDbYaml(files: BlockhostFiles, settings: Record<string, unknown>): void {
  const content = {
    db_file: files.database,
    ip_pool: { network: '192.0.2.0/24', start: 10, end: 13, gateway: '192.0.2.11' },
    vmid_range: { start: 100, end: 999_999 },
    ...settings,
  };
  // JSON is YAML.
  fs.writeFileSync(path.join(files.etc, 'db.yaml'), JSON.stringify(content));
}

export function helperCommand(files: Pick<BlockhostFiles, 'etc'>): HelperCommand {
  return {
    file: 'env',
    args: [
      `PYTHONPATH=${PACKAGE}`,
      '/usr/bin/python3',
      '-B',
      path.resolve('python/store_helper'),
      '--config-dir',
      files.etc,
    ],
  };
}

export function blockhostStore(t: TestContext, files: BlockhostFiles): BlockhostStore {
  const helper = new HelperClient(helperCommand(files));
  t.after(() => helper.close());
  return new BlockhostStore(helper);
}

export interface DatabaseContent {
  vms: Record<string, Record<string, unknown>>;
  next_vmid: number;
  allocated_ips: string[];
  allocated_ipv6: string[];
}

export function readDatabase(files: BlockhostFiles): DatabaseContent {
  return JSON.parse(fs.readFileSync(files.database, 'utf8')) as DatabaseContent;
}

export function writeDatabase(files: BlockhostFiles, content: DatabaseContent): void {
  fs.writeFileSync(files.database, JSON.stringify(content));
}
