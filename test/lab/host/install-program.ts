import type { LabHost } from './lab-host.ts';

/** Where the host has the project, read-only. */
export const PROJECT = '/lab/project';

/** Puts the built program where the package puts it, with its command names on the PATH. */
export async function installProgram(host: Pick<LabHost, 'sh'>): Promise<void> {
  await host.sh(`
    mkdir -p /usr/lib/blockhost-qemu
    cp -a ${PROJECT}/dist/. /usr/lib/blockhost-qemu/
    chown -R root:root /usr/lib/blockhost-qemu
    for command in /usr/lib/blockhost-qemu/bin/*; do ln -s "$command" /usr/bin/; done`);
}
