import * as fs from 'node:fs';
import * as path from 'node:path';
import { syncDirectory, type WriteOptions } from '../host/files.ts';
import { makeIso } from './iso.ts';

export interface SeedContent {
  userData: string;
  metaData: string;
  networkConfig: string;
}

/**
 * Writes the NoCloud seed: an ISO labelled `cidata` (cloud-init's NoCloud data source). It holds secrets,
 * so nobody else can read it at any moment, and the file appears whole or not at all.
 */
export async function writeSeed(
  file: string,
  content: SeedContent,
  options: WriteOptions & { signal?: AbortSignal } = {},
): Promise<void> {
  const directory = path.dirname(file);
  // mkdtemp makes it with mode 0700: what the ISO program writes inside is out of reach for others.
  const work = fs.mkdtempSync(path.join(directory, `.${path.basename(file)}.tmp-`));
  try {
    const folder = path.join(work, 'content');
    const iso = path.join(work, 'iso');
    fs.mkdirSync(folder, { mode: 0o700 });
    fs.writeFileSync(path.join(folder, 'user-data'), content.userData, { mode: 0o600 });
    fs.writeFileSync(path.join(folder, 'meta-data'), content.metaData, { mode: 0o600 });
    fs.writeFileSync(path.join(folder, 'network-config'), content.networkConfig, { mode: 0o600 });
    await makeIso({ folder, label: 'cidata', file: iso, signal: options.signal });
    finish(iso, options);
    fs.renameSync(iso, file);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
  syncDirectory(directory);
}

function finish(iso: string, options: WriteOptions): void {
  const fd = fs.openSync(iso, 'r');
  try {
    fs.fchmodSync(fd, options.mode ?? 0o600);
    if (options.owner !== undefined) fs.fchownSync(fd, options.owner.uid, options.owner.gid);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
