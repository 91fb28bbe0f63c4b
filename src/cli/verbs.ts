interface Entry {
  summary: string;
  /** Not for people. */
  hidden?: true;
}

/** The verbs, in the order of a VM's life. What they do is in looking.ts and acting.ts. */
export const VERBS: Record<string, Entry> = {
  'build-template': {
    summary: 'build the disk image that VMs start from',
  },
  create: {
    summary: 'create a VM and wait until its guest is ready',
  },
  list: { summary: 'list all VMs' },
  status: {
    summary: 'print the state of a VM in one word',
  },
  inspect: {
    summary: 'describe VMs as JSON, for programs',
  },
  explain: {
    summary: 'tell what happened to a VM, and why it is off or paused',
  },
  metrics: { summary: 'print what a VM uses, as JSON' },
  history: {
    summary: 'print what a VM used in the recent past',
  },
  statd: {
    summary: 'watch all VMs, so that metrics and status cost a millisecond',
  },
  'guest-exec': {
    summary: 'run a command in the guest',
  },
  'update-gecos': {
    summary: "write wallet and NFT id to the guest user's GECOS field",
  },
  throttle: {
    summary: 'limit CPU, disk and bandwidth of a running VM',
  },
  stop: {
    summary: 'power a VM off, asking the guest first',
  },
  start: { summary: 'start a VM that is off' },
  pause: { summary: 'halt a VM where it is' },
  configure: {
    summary: 'change what the next start makes of a VM',
  },
  snapshot: {
    summary: 'keep what the disks of a VM hold, and bring it back',
  },
  export: {
    summary: 'write the disk of a VM as an image',
  },
  backup: {
    summary: 'write what the disks of a VM hold to a file or a pipe',
  },
  restore: {
    summary: 'make a new VM of a backup',
  },
  kill: { summary: 'end a VM at once' },
  destroy: { summary: 'remove a VM and its disk' },
  'restart-crashed': {
    summary: 'start VMs that have crashed, where that is wanted',
  },
  'start-all': {
    summary: 'start every VM whose record is active',
  },
  'stop-all': {
    summary: 'power every running VM off',
  },
  gc: {
    summary: 'suspend VMs that have expired, destroy those suspended for long',
  },
  resume: {
    summary: 'start a VM that gc has suspended',
  },
  doctor: {
    summary: 'find what is wrong with this host and its VMs, and repair it',
  },
  detect: {
    summary: 'exit with 0 when this host can run VMs with QEMU',
  },
  root: {
    summary: 'answer a request of the unprivileged side',
    hidden: true,
  },
  completion: {
    summary: 'print a completion script for bash',
  },
};

/** The verb a command name stands for: blockhost-vm-create is create. */
export function verbOfCommand(command: string): string | undefined {
  if (command === 'blockhost-build-template') return 'build-template';
  if (command === 'blockhost-provisioner-detect') return 'detect';
  const verb = /^blockhost-vm-(.+)$/.exec(command)?.[1];
  return verb !== undefined && Object.hasOwn(VERBS, verb) ? verb : undefined;
}
