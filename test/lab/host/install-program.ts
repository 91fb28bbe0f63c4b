import * as fs from 'node:fs';
import * as path from 'node:path';
import type { LabHost } from './lab-host.ts';

/** Where the host has the project, read-only. */
export const PROJECT = '/lab/project';

/** Puts the built program, its units, its actions and so on where the package puts them (debian/rules). */
export async function installProgram(host: Pick<LabHost, 'ok'>): Promise<void> {
  await host.ok(['sh', `${PROJECT}/test/lab/host/install-program.sh`], { cwd: PROJECT });
}

/** Installs the package itself. */
export async function installPackage(
  host: Pick<LabHost, 'ok' | 'share'>,
  deb: string,
): Promise<void> {
  const name = path.basename(deb);
  fs.copyFileSync(deb, path.join(host.share, name));
  await host.ok(['dpkg', '--install', `/lab/share/${name}`]);
}
