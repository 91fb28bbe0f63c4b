import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { EmbeddedStore } from '../../../src/store/embedded.ts';
import { GiB, parseVmName } from '../../../src/types.ts';
import { backupHeader, writeBackup } from '../backup.ts';
import type { Sandbox } from '../sandbox.ts';

export type State = 'absent' | 'off' | 'running' | 'paused';

/** A verb that changes something, what it starts from, and what a VM may be afterwards, come what may. */
export interface Scenario {
  name: string;
  from: State;
  argv(sandbox: Sandbox): string[];
  /** States it may end in when the verb was not done to its end, or was. */
  outcomes: readonly State[];
  /** What is done to the VM, beyond its state, before. */
  prepare?(sandbox: Sandbox): Promise<void> | void;
  /** Lines for what is not as it has to be afterwards. */
  check?(sandbox: Sandbox): string[];
}

export const VM = 'v1';
/** No boot sector: the BIOS finds nothing to start and halts, so that a VM that runs costs nothing. */
export const blankImage = (sandbox: Sandbox): string =>
  path.join(path.dirname(sandbox.state), 'blank.qcow2');
const name = parseVmName(VM);
const vm = (verb: string, ...more: string[]) => ({ argv: () => [verb, VM, ...more] });
const snapshot = (action: string) => ({ argv: () => ['snapshot', action, VM, 's1'] });
const takeSnapshot = async (sandbox: Sandbox): Promise<void> => {
  await sandbox.ok('snapshot', ['create', VM, 's1']);
};
const expire = async (sandbox: Sandbox): Promise<void> => {
  const store = new EmbeddedStore(sandbox.config.paths.records);
  await store.update(name, { expires_at: '2020-01-01T00:00:00+00:00' });
};
const suspended = async (sandbox: Sandbox): Promise<void> => {
  const store = new EmbeddedStore(sandbox.config.paths.records);
  await store.suspend(name);
  await store.update(name, {
    expires_at: '2020-01-01T00:00:00+00:00',
    suspended_at: '2020-01-02T00:00:00+00:00',
  });
};
const create = (sandbox: Sandbox, ...more: string[]): string[] => [
  ...['create', VM, '--image', blankImage(sandbox), '--memory', '128', '--disk', '1'],
  ...['--apply', '--no-wait'],
  ...more,
];
const exported = (sandbox: Sandbox): string => path.join(path.dirname(sandbox.state), 'x.qcow2');
const backup = (...more: string[]) => ({
  argv: (sandbox: Sandbox): string[] => {
    fs.rmSync(backupFile(sandbox), { force: true });
    return ['backup', VM, '--to', backupFile(sandbox), ...more];
  },
  check: halfWritten,
});
const halfWritten = (sandbox: Sandbox): string[] =>
  fs
    .readdirSync(path.dirname(sandbox.state))
    .filter((entry) => entry.endsWith('.part'))
    .map((entry) => `half a file: ${entry}`);
const backupFile = (sandbox: Sandbox): string => path.join(path.dirname(sandbox.state), 'x.backup');
const backedUp = async (sandbox: Sandbox): Promise<void> => {
  await sandbox.ok('backup', [VM, '--to', backupFile(sandbox)]);
};
const backupMade = async (sandbox: Sandbox): Promise<void> => {
  const data = Buffer.alloc(65_536, 1);
  const records = [0, 1].map((disk) => ({ disk, offset: GiB / 2, length: data.length, data }));
  const header = backupHeader({ disks: [{ bytes: GiB }, { bytes: GiB }] });
  await writeBackup(backupFile(sandbox), header, records);
};

/** Each case publishes its own. */
function withoutTemplates(sandbox: Sandbox): void {
  fs.rmSync(sandbox.config.paths.templates, { recursive: true, force: true });
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'create',
    from: 'absent',
    argv: (sandbox) => create(sandbox, '--extra-disk', '1'),
    outcomes: ['absent', 'running'],
  },
  {
    name: 'create (template published)',
    from: 'absent',
    argv: (sandbox) => create(sandbox),
    outcomes: ['absent', 'running'],
    prepare: withoutTemplates,
  },
  {
    name: 'destroy (running)',
    from: 'running',
    ...vm('destroy'),
    outcomes: ['absent', 'running', 'off'],
  },
  { name: 'destroy (off)', from: 'off', ...vm('destroy'), outcomes: ['absent', 'off'] },
  { name: 'start', from: 'off', ...vm('start'), outcomes: ['off', 'running'] },
  { name: 'start (paused)', from: 'paused', ...vm('start'), outcomes: ['paused', 'running'] },
  { name: 'stop', from: 'running', ...vm('stop', '--timeout', '0'), outcomes: ['off', 'running'] },
  { name: 'kill', from: 'running', ...vm('kill'), outcomes: ['off', 'running'] },
  { name: 'pause', from: 'running', ...vm('pause'), outcomes: ['paused', 'running'] },
  {
    name: 'throttle',
    from: 'running',
    ...vm('throttle', '--iops-read', '500', '--bps-write', '1000000'),
    outcomes: ['running'],
  },
  {
    name: 'snapshot create (running)',
    from: 'running',
    ...snapshot('create'),
    outcomes: ['running'],
  },
  { name: 'snapshot create (off)', from: 'off', ...snapshot('create'), outcomes: ['off'] },
  {
    name: 'snapshot restore',
    from: 'off',
    ...snapshot('restore'),
    prepare: takeSnapshot,
    outcomes: ['off'],
  },
  {
    name: 'snapshot delete',
    from: 'off',
    ...snapshot('delete'),
    prepare: takeSnapshot,
    outcomes: ['off'],
  },
  { name: 'configure', from: 'off', ...vm('configure', '--memory', '160'), outcomes: ['off'] },
  {
    name: 'export',
    from: 'off',
    argv: (sandbox) => ['export', VM, exported(sandbox)],
    check: halfWritten,
    outcomes: ['off'],
  },
  { name: 'backup (off)', from: 'off', ...backup(), outcomes: ['off'] },
  { name: 'backup (running)', from: 'running', ...backup(), outcomes: ['running'] },
  {
    name: 'backup (increment)',
    from: 'running',
    ...backup('--incremental'),
    prepare: backedUp,
    outcomes: ['running'],
  },
  {
    name: 'restore',
    from: 'absent',
    argv: (sandbox) => ['restore', backupFile(sandbox), VM, '--no-wait'],
    async prepare(sandbox) {
      withoutTemplates(sandbox);
      await backupMade(sandbox);
    },
    outcomes: ['absent', 'running'],
  },
  {
    // Off already: one that runs is stopped, as by `stop`, and without a guest that takes its 45 s.
    name: 'gc (suspends)',
    from: 'off',
    argv: () => ['gc', '--execute'],
    prepare: expire,
    outcomes: ['off'],
  },
  {
    name: 'gc (destroys)',
    from: 'off',
    argv: () => ['gc', '--execute'],
    prepare: suspended,
    outcomes: ['off', 'absent'],
  },
  {
    name: 'resume',
    from: 'off',
    ...vm('resume'),
    prepare: suspended,
    outcomes: ['off', 'running'],
  },
];

const BANDWIDTH = ['--bandwidth-in', '8000', '--bandwidth-out', '4000'];
const onBridge = SCENARIOS.filter(({ name: verb }) =>
  ['create', 'destroy (running)', 'start', 'stop', 'kill', 'gc (destroys)', 'resume'].includes(
    verb,
  ),
);

/** For a host whose VMs are plugged into a bridge by default. */
export const BRIDGE_SCENARIOS: readonly Scenario[] = [
  ...onBridge,
  {
    name: 'throttle (bandwidth)',
    from: 'running',
    ...vm('throttle', ...BANDWIDTH),
    outcomes: ['running'],
  },
  {
    name: 'start (limits)',
    from: 'running',
    ...vm('start'),
    async prepare(sandbox) {
      await sandbox.ok('throttle', [VM, ...BANDWIDTH]);
      await sandbox.ok('kill', [VM]);
    },
    outcomes: ['off', 'running'],
  },
  {
    name: 'start (running, rules lost)',
    from: 'running',
    ...vm('start'),
    prepare: async () => void (await run('nft', ['flush', 'ruleset'])),
    outcomes: ['running'],
  },
];
