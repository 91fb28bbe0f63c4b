import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { poll } from '../../../src/host/time.ts';
import { tinyGuest } from '../../support/tiny-guest/build.ts';
import { qemuOf, scopeOf } from './scope.ts';

export interface Caller {
  /** Puts a command line into the caller's place. */
  as(argv: string[]): string[];
  /** For the names of the tests. */
  who: string;
}

export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

const POOL = { network: '192.0.2.0/24', start: 10, end: 99, gateway: '192.0.2.1' };
export const CONFIG = '/etc/blockhost-qemu/config.yaml';
const STATE = '/var/lib/blockhost-qemu';
const RUN = '/run/blockhost-qemu';
const ALL_CODES = Array.from({ length: 256 }, (_, code) => code);

/** Runs a verb as the caller does. */
export async function verb({ as }: Caller, name: string, ...args: string[]): Promise<Finished> {
  const [command = '', ...rest] = as([`blockhost-vm-${name}`, ...args]);
  const { stdout, stderr, exitCode } = await run(command, rest, {
    timeoutMs: 400_000,
    okCodes: ALL_CODES,
  });
  return { code: exitCode, stdout, stderr };
}

/** The settings of a host whose VMs are on a bridge, and in a database of its own. */
export function configureBridge(): void {
  fs.mkdirSync('/etc/blockhost-qemu', { recursive: true });
  const settings = {
    store: 'embedded',
    ...{ network: 'bridge', bridge: 'br0', ip_pool: POOL, ready_timeout: 300 },
  };
  fs.writeFileSync(CONFIG, JSON.stringify(settings));
}

/** Where everybody finds it: verbs run by root become another user, and the engine has a /var/tmp of its own. */
export async function guestImage(): Promise<string> {
  const image = '/srv/guest.qcow2';
  fs.copyFileSync(await tinyGuest(), image);
  fs.chmodSync(image, 0o644);
  return image;
}

/** The life of VMs on systemd and a bridge, the same whoever calls. */
export function testVerbs(caller: Caller): void {
  const vm = (name: string, ...args: string[]): Promise<Finished> => verb(caller, name, ...args);
  const ok = async (name: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await vm(name, ...args);
    assert.equal(code, 0, `${name}: ${stderr}`);
    return stdout.trimEnd();
  };
  const title = (what: string): string => `${caller.who}: ${what}`;
  let tiny: string[] = [];

  after(async () => {
    for (const name of ['web1', 'web2']) await vm('destroy', name);
  });

  test(
    title('create makes a VM in a scope of its own, on the bridge, and prints its result'),
    async () => {
      configureBridge();
      tiny = ['--image', await guestImage(), '--memory', '128', '--disk', '1'];
      const out = await ok('create', 'web1', ...tiny, '--owner-wallet', '0xabc', '--apply');
      const [first = '', second = ''] = out.split('\n');
      assert.equal(first, `BLOCKHOST_RESULT: ${second}`);
      const { vm_name, ip, status } = JSON.parse(second);
      assert.deepEqual([vm_name, ip, status], ['web1', '192.0.2.10', 'ok']);
      assert.ok(fs.existsSync(scopeOf('web1')));
      assert.ok(qemuOf('web1') !== undefined, 'QEMU is not in its scope');
    },
  );

  test(title('list, status, metrics and guest-exec tell of it'), async () => {
    assert.match(await ok('list'), /^web1\tactive\t192\.0\.2\.10\t/m);
    assert.equal(await ok('status', 'web1'), 'active');
    // Where the sampler runs, it asks the agent now and then.
    const asked = async (): Promise<true | undefined> => {
      const metrics = JSON.parse(await ok('metrics', 'web1'));
      assert.equal(metrics.state, 'running');
      assert.equal(metrics.memory_total_mb, 128);
      return metrics.guest_agent_responsive === true ? true : undefined;
    };
    assert.ok(await poll(asked, { deadlineMs: 90_000, everyMs: 500 }), 'the agent is not seen');
    assert.equal(await ok('guest-exec', 'web1', 'uname -s'), 'Linux');
    assert.equal((await vm('guest-exec', 'web1', 'echo out; echo err >&2; exit 7')).code, 7);
    await ok('update-gecos', 'web1', '0xdef', '--nft-id', '12');
    assert.match(await ok('guest-exec', 'web1', 'grep ^admin: /etc/passwd'), /wallet=0xdef,nft=12/);
  });

  test(title('what a run needs on the host is there: tap, isolation, filter, bounds'), async () => {
    const [tap = ''] = taps();
    assert.match((await run('ip', ['-d', 'link', 'show', tap])).stdout, /isolated on/);
    const filter = (await run('nft', ['list', 'table', 'bridge', 'blockhost_qemu'])).stdout;
    assert.ok(filter.includes(tap) && filter.includes('192.0.2.10'), filter);
    for (const file of ['memory.max', 'pids.max'])
      assert.match(fs.readFileSync(`${scopeOf('web1')}/${file}`, 'utf8'), /^\d+$/m);
    const { stdout } = await run('ping', ['-c', '2', '-W', '20', '192.0.2.10']);
    assert.match(stdout, / 0% packet loss/);
  });

  test(title('a second VM, a name that is taken, a name that is none'), async () => {
    const taken = await vm('create', 'web1', ...tiny, '--apply');
    assert.deepEqual([taken.code, taken.stdout], [1, '']);
    assert.match(taken.stderr, /VM web1 exists already/);
    for (const name of ['../web1', '-x', 'a b']) {
      const { code, stdout } = await vm('create', '--apply', ...tiny, '--', name);
      assert.deepEqual([code, stdout], [1, ''], name);
    }
    const out = await ok('create', 'web2', ...tiny, '--apply');
    assert.equal(JSON.parse(out.split('\n')[1] ?? '').ip, '192.0.2.11');
    const ping = 'ping -c 1 -w 3 192.0.2.11';
    assert.equal((await vm('guest-exec', 'web1', ping)).code, 1);
    await ok('destroy', 'web2');
  });

  test(title('stop asks the guest; what a run had is gone'), async () => {
    assert.match(await ok('stop', 'web1'), /the guest powered down/);
    assert.equal(await ok('status', 'web1'), 'suspended');
    await isOff('web1');
    assert.match(await ok('stop', 'web1'), /is off already/);
  });

  test(title('start, and start again; kill, and kill again'), async () => {
    assert.match(await ok('start', 'web1'), /is started/);
    assert.match(await ok('start', 'web1'), /is running already/);
    assert.equal(await ok('status', 'web1'), 'active');
    assert.match(await ok('kill', 'web1'), /is killed/);
    await isOff('web1');
    assert.match(await ok('kill', 'web1'), /is off already/);
  });

  test(
    title('a QEMU that cannot start is told in its own words, and nothing is left'),
    async () => {
      const disk = `${STATE}/vms/web1/disk.qcow2`;
      fs.chownSync(disk, 0, 0);
      const { code, stderr } = await vm('start', 'web1');
      assert.equal(code, 1);
      assert.match(stderr, /VM web1: QEMU did not start: .*Permission denied/);
      await isOff('web1');
      const { qemu_uid: uid } = JSON.parse(fs.readFileSync(`${STATE}/vms/web1/vm.json`, 'utf8'));
      fs.chownSync(disk, uid, uid);
      assert.match(await ok('start', 'web1'), /is started/);
    },
  );

  test(title('destroy leaves nothing, twice'), async () => {
    assert.match(await ok('destroy', 'web1'), /is destroyed/);
    assert.match(await ok('destroy', 'web1'), /does not exist: nothing to do/);
    assert.equal(await ok('list', '--format', 'json'), '[]');
    await isOff('web1');
    assert.deepEqual(fs.readdirSync(`${STATE}/vms`), []);
    assert.deepEqual(fs.readdirSync('/var/lib/blockhost/qemu/locks'), []);
    assert.deepEqual(fs.readdirSync('/var/lib/blockhost/qemu/journal'), []);
  });
}

function taps(): string[] {
  return fs.readdirSync('/sys/class/net').filter((name) => name.startsWith('tap'));
}

/** No tap, scope, socket or rule of a VM is there; the manager needs a moment. */
async function isOff(name: string): Promise<void> {
  const gone = (): true | undefined => (fs.existsSync(scopeOf(name)) ? undefined : true);
  assert.ok(await poll(gone, { deadlineMs: 20_000, everyMs: 100 }), 'the scope is left');
  assert.deepEqual(taps(), []);
  assert.deepEqual(
    fs.readdirSync(RUN).filter((entry) => !entry.startsWith('.')),
    [],
  );
  const filter = (await run('nft', ['list', 'table', 'bridge', 'blockhost_qemu'])).stdout;
  assert.doesNotMatch(filter, /tap\d+i0/);
}
