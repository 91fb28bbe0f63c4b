import { VERBS } from './verbs.ts';

declare const PROGRAM_VERSION: string;

export function versionText(): string {
  return `blockhost-qemu ${PROGRAM_VERSION}\n`;
}

export function helpText(): string {
  const verbs = Object.entries(VERBS)
    .filter(([, { hidden }]) => hidden !== true)
    .map(([name, { summary }]) => `  ${name.padEnd(16)}${summary}`);
  return `Usage: blockhost-qemu <verb> [arguments]      (or blockhost-vm-<verb> [arguments])

Virtual machines on a plain Linux host: one QEMU process per VM, no daemon.

Verbs:
${verbs.join('\n')}

blockhost-qemu help <verb>    arguments, options and examples of a verb
blockhost-qemu --version      the version

A first VM:
  blockhost-qemu build-template              once; takes some minutes
  blockhost-qemu create web1 --apply         a Debian guest, ready when the command returns
  blockhost-qemu guest-exec web1 uname -a
  blockhost-qemu destroy web1

Settings: /etc/blockhost-qemu/config.yaml (optional); BLOCKHOST_QEMU_STATE_DIR moves all state.
`;
}
