import type { Verb } from './invocation.ts';

interface Entry {
  summary: string;
  load(): Promise<{ verb: Verb }>;
}

/** The verbs, in the order of a VM's life. Each is loaded only when it is called. */
export const VERBS: Record<string, Entry> = {
  'build-template': {
    summary: 'build the disk image that VMs start from',
    load: () => import('./verbs/build-template.ts'),
  },
  create: {
    summary: 'create a VM and wait until its guest is ready',
    load: () => import('./verbs/create.ts'),
  },
  list: { summary: 'list all VMs', load: () => import('./verbs/list.ts') },
  status: {
    summary: 'print the state of a VM in one word',
    load: () => import('./verbs/status.ts'),
  },
  metrics: { summary: 'print what a VM uses, as JSON', load: () => import('./verbs/metrics.ts') },
  history: {
    summary: 'print what a VM used in the recent past',
    load: () => import('./verbs/history.ts'),
  },
  statd: {
    summary: 'watch all VMs, so that metrics and status cost a millisecond',
    load: () => import('./verbs/statd.ts'),
  },
  'guest-exec': {
    summary: 'run a command in the guest',
    load: () => import('./verbs/guest-exec.ts'),
  },
  'update-gecos': {
    summary: "write wallet and NFT id to the guest user's GECOS field",
    load: () => import('./verbs/update-gecos.ts'),
  },
  stop: {
    summary: 'power a VM off, asking the guest first',
    load: () => import('./verbs/stop.ts'),
  },
  start: { summary: 'start a VM that is off', load: () => import('./verbs/start.ts') },
  kill: { summary: 'end a VM at once', load: () => import('./verbs/kill.ts') },
  destroy: { summary: 'remove a VM and its disk', load: () => import('./verbs/destroy.ts') },
  detect: {
    summary: 'exit with 0 when this host can run VMs with QEMU',
    load: () => import('./verbs/detect.ts'),
  },
  completion: {
    summary: 'print a completion script for bash',
    load: () => import('./verbs/completion.ts'),
  },
};

/** The verb a command name stands for: blockhost-vm-create is create. */
export function verbOfCommand(command: string): string | undefined {
  if (command === 'blockhost-build-template') return 'build-template';
  if (command === 'blockhost-provisioner-detect') return 'detect';
  const verb = /^blockhost-vm-(.+)$/.exec(command)?.[1];
  return verb !== undefined && Object.hasOwn(VERBS, verb) ? verb : undefined;
}
