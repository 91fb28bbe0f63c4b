import * as path from 'node:path';
import { projectRoot } from '../../support/program.ts';
import type { LabHost } from './lab-host.ts';

/** Puts the built program where the package puts it, with its command names on the PATH. */
export async function installProgram(host: Pick<LabHost, 'sh'>): Promise<void> {
  const dist = path.join(projectRoot(), 'dist');
  await host.sh(`
    mkdir -p /usr/lib/blockhost-qemu
    cp -a '${dist}/.' /usr/lib/blockhost-qemu/
    chown -R root:root /usr/lib/blockhost-qemu
    for command in /usr/lib/blockhost-qemu/bin/*; do ln -s "$command" /usr/bin/; done`);
}
