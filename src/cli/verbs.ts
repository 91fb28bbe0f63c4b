import type { Verb } from './invocation.ts';

interface Entry {
  summary: string;
  /** Not for people. */
  hidden?: true;
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
  inspect: {
    summary: 'describe VMs as JSON, for programs',
    load: () => import('./verbs/inspect.ts'),
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
  throttle: {
    summary: 'limit CPU, disk and bandwidth of a running VM',
    load: () => import('./verbs/throttle.ts'),
  },
  stop: {
    summary: 'power a VM off, asking the guest first',
    load: () => import('./verbs/stop.ts'),
  },
  start: { summary: 'start a VM that is off', load: () => import('./verbs/start.ts') },
  pause: { summary: 'halt a VM where it is', load: () => import('./verbs/pause.ts') },
  configure: {
    summary: 'change what the next start makes of a VM',
    load: () => import('./verbs/configure.ts'),
  },
  snapshot: {
    summary: 'keep what the disks of a VM hold, and bring it back',
    load: () => import('./verbs/snapshot.ts'),
  },
  export: {
    summary: 'write the disk of a VM as an image',
    load: () => import('./verbs/export.ts'),
  },
  kill: { summary: 'end a VM at once', load: () => import('./verbs/kill.ts') },
  destroy: { summary: 'remove a VM and its disk', load: () => import('./verbs/destroy.ts') },
  'start-all': {
    summary: 'start every VM whose record is active',
    load: () => import('./verbs/start-all.ts'),
  },
  'stop-all': {
    summary: 'power every running VM off',
    load: () => import('./verbs/stop-all.ts'),
  },
  gc: {
    summary: 'suspend VMs that have expired, destroy those suspended for long',
    load: () => import('./verbs/gc.ts'),
  },
  resume: {
    summary: 'start a VM that gc has suspended',
    load: () => import('./verbs/resume.ts'),
  },
  detect: {
    summary: 'exit with 0 when this host can run VMs with QEMU',
    load: () => import('./verbs/detect.ts'),
  },
  root: {
    summary: 'answer a request of the unprivileged side',
    hidden: true,
    load: () => import('./verbs/root.ts'),
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
