import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { qemuOf } from './scope.ts';
import { TINY } from './tiny-template.ts';

export interface Way {
  /** The command line that runs a verb. */
  argv(argv: readonly string[]): string[];
  /** More options of create. */
  create?: string[];
}

const TIMEOUT = { timeoutMs: 300_000 };
const SCOPE = 'blockhost-vm-web1.scope';

/** A VM's life, in short. The template that is current has to be the tiny one. */
export function testLife({ argv, create = [] }: Way): void {
  const vm = async (verb: string, ...args: string[]): Promise<string> => {
    const [command = '', ...words] = argv([`blockhost-vm-${verb}`, 'web1', ...args]);
    return (await run(command, words, TIMEOUT)).stdout;
  };

  test('create: QEMU is in a scope of its own, as no user of the host', async () => {
    const result = await vm('create', ...TINY, ...create, '--apply');
    assert.match(result, /^BLOCKHOST_RESULT: .*"status":"ok"/);
    assert.equal(await scopeState(), 'active');
    assert.ok(qemuOf('web1') !== undefined, 'QEMU is not in its scope');
    const { uid } = fs.statSync('/var/lib/blockhost-qemu/vms/web1/disk.qcow2');
    assert.ok(uid >= 65_600, `uid ${uid}`);
  });

  test('guest-exec, status, list and metrics reach it', async () => {
    assert.equal(await vm('guest-exec', 'uname -s'), 'Linux');
    assert.equal(await vm('status'), 'active');
    const [command = '', ...words] = argv(['blockhost-vm-list']);
    assert.match((await run(command, words)).stdout, /^web1\tactive\t/m);
    // Where the sampler runs, it asks the agent now and then.
    const asked = async (): Promise<true | undefined> => {
      const metrics = JSON.parse(await vm('metrics'));
      assert.equal(metrics.state, 'running');
      return metrics.guest_agent_responsive === true ? true : undefined;
    };
    assert.ok(await poll(asked, { deadlineMs: 90_000, everyMs: 500 }), 'the agent is not seen');
  });

  test('stop powers the guest off and leaves no scope', async () => {
    await vm('stop');
    assert.equal(await vm('status'), 'suspended');
    await scopeIsGone();
  });

  test('start, then kill', async () => {
    await vm('start');
    assert.equal(await scopeState(), 'active');
    assert.equal(await vm('status'), 'active');
    await vm('kill');
    assert.equal(await vm('status'), 'suspended');
    await scopeIsGone();
  });

  test('destroy leaves nothing, twice', async () => {
    await vm('destroy');
    await vm('destroy');
    await scopeIsGone();
    assert.deepEqual(fs.readdirSync('/var/lib/blockhost-qemu/vms'), []);
    assert.equal((await run('pgrep', ['qemu-system'], { okCodes: [0, 1] })).stdout, '');
    const taps = fs.readdirSync('/sys/class/net').filter((name) => name.startsWith('tap'));
    assert.deepEqual(taps, []);
  });
}

async function scopeState(): Promise<string> {
  return (await run('systemctl', ['is-active', SCOPE], { okCodes: [0, 3, 4] })).stdout;
}

async function scopeIsGone(): Promise<void> {
  const gone = async (): Promise<true | undefined> =>
    (await scopeState()) === 'inactive' || undefined;
  assert.ok(await poll(gone, { deadlineMs: 20_000, everyMs: 200 }), 'the scope is left');
}
