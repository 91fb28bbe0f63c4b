import type { LabHost } from './lab-host.ts';

/** Where the host has the project, read-only. */
export const PROJECT = '/lab/project';

/**
 * Puts the built program where the package puts it: its command names on the PATH, its units, and its actions
 * into the root agent. Units are enabled but not started, as before the first reboot.
 */
export async function installProgram(host: Pick<LabHost, 'sh'>): Promise<void> {
  await host.sh(`
    mkdir -p /usr/lib/blockhost-qemu
    cp -a ${PROJECT}/dist/. /usr/lib/blockhost-qemu/
    chown -R root:root /usr/lib/blockhost-qemu
    for command in /usr/lib/blockhost-qemu/bin/*; do ln -sf "$command" /usr/bin/; done

    units=$(find ${PROJECT}/systemd -type f -printf '%f ' 2>/dev/null || :)
    for unit in $units; do install -m 644 "${PROJECT}/systemd/$unit" /usr/lib/systemd/system/; done
    systemctl daemon-reload
    for unit in $units; do
      ! grep -q '^\\[Install\\]' "${PROJECT}/systemd/$unit" || systemctl --quiet enable "$unit"
    done

    actions=${PROJECT}/python/root-agent-actions
    if [ -d $actions ]; then
      install -m 644 $actions/*.py /usr/share/blockhost/root-agent-actions/
      systemctl restart blockhost-root-agent
    fi`);
}
