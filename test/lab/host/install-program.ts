import type { LabHost } from './lab-host.ts';

/** Where the host has the project, read-only. */
export const PROJECT = '/lab/project';

/**
 * Puts the built program, its units and its root-agent actions where the package puts them, with its command
 * names on the PATH. The agent reads actions only when it starts.
 */
export async function installProgram(host: Pick<LabHost, 'sh'>): Promise<void> {
  await host.sh(`
    mkdir -p /usr/lib/blockhost-qemu
    cp -a ${PROJECT}/dist/. /usr/lib/blockhost-qemu/
    chown -R root:root /usr/lib/blockhost-qemu
    for command in /usr/lib/blockhost-qemu/bin/*; do ln -s "$command" /usr/bin/; done
    install -m644 ${PROJECT}/systemd/*.service ${PROJECT}/systemd/*.timer /usr/lib/systemd/system/
    install -m644 ${PROJECT}/python/root-agent-actions/*.py /usr/share/blockhost/root-agent-actions/
    systemctl daemon-reload
    systemctl enable --quiet blockhost-qemu-vms.service
    systemctl try-restart blockhost-root-agent.service`);
}
