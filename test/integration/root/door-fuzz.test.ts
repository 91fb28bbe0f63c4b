import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { after, before, test } from 'node:test';
import { answer } from '../../../src/root/door.ts';
import { REQUESTS } from '../../../src/root/requests.ts';
import { listing, processesAbout } from '../../support/leftovers.ts';
import { Random } from '../../support/random.ts';
import { Sandbox } from '../../support/sandbox.ts';

const COUNT = 12_000;
const sandbox = await Sandbox.make({ after });
const random = new Random();

/** Good in every field, but for a VM that is there already. */
const GOOD: Record<keyof typeof REQUESTS, Record<string, unknown>> = {
  'vm-create': {
    name: 'web1',
    vmid: 100,
    vcpus: 1,
    memory_mb: 128,
    disk_bytes: 2 ** 30,
    template: 'image-000000000000',
    username: 'admin',
    network: { mode: 'user', ssh_port: 22_000 },
    seed: { user_data: '#cloud-config\n{}', ipv4: 'dhcp', nameservers: [] },
  },
  'vm-start': { name: 'web1' },
  'vm-stop': { name: 'web1', how: 'kill', wait_ms: 0 },
  'vm-limits': { name: 'web1', limits: { cpu_quota: 50, iops_read: 100 } },
  'vm-remove': { name: 'web1' },
  'host-care': { mend: false },
  'template-publish': {
    token: '00000000-1-1-1-aaaaaa',
    label: 'x',
    source: { kind: 'import', file: '/x', format: 'qcow2', stamp: '1' },
    packages: [],
    packageFiles: { 'x.deb': '0'.repeat(64) },
    defaultUser: 'admin',
    tuned: false,
    make_current: true,
  },
  'vm-settle': { name: 'web1' },
  'backup-begin': { name: 'web1', incremental: false, speed: 0 },
  'backup-write': {},
  'backup-end': { how: 'undo' },
  'restore-verify': {},
  'restore-fill': { name: 'web1' },
  cancel: {},
};

const NAMES = Object.keys(GOOD) as (keyof typeof REQUESTS)[];

const TEXTS = [
  '',
  '.',
  '..',
  '../web1',
  'web1/../web1',
  '/etc/passwd',
  '../../../../etc/shadow',
  '-rf',
  '--help',
  'web1\n',
  'web1\0',
  'web 1',
  '$(reboot)',
  '`reboot`',
  ';reboot',
  '%s%n',
  'ａ',
  '\u202eweb1',
  '\u001b[2J',
  '__proto__',
  'constructor',
  'file:/etc/shadow',
  'json:{"driver":"file"}',
  'x'.repeat(65),
  'x'.repeat(100_000),
];
const OTHERS = [
  ...[null, true, [], {}, -1, 0, 0.5, 1e300, Number.MAX_SAFE_INTEGER, 2 ** 31, -0],
  ...[['web1'], { name: 'web1' }, [[[[[]]]]]],
];

/** Something a field surely does not take, or that names nothing. */
function hostile(): unknown {
  return random.chance(0.6) ? random.pick(TEXTS) : random.pick(OTHERS);
}

/** A good request with one or more fields spoilt, dropped or added; at times no request at all. */
function spoilt(name: keyof typeof REQUESTS): string {
  const params = structuredClone(GOOD[name]);
  for (let count = 1 + random.below(2); count > 0; count--) spoil(params);
  // The rest of the spoiling might happen to leave a good request: the name settles it.
  if (name !== 'vm-create' && name !== 'template-publish' && random.chance(0.9)) {
    params.name = random.pick(TEXTS);
  } else if (name !== 'vm-create') params.extra = hostile();
  const text = JSON.stringify(params);
  return random.chance(0.1) ? text.slice(0, random.below(text.length)) : text;
}

function spoil(object: Record<string, unknown>): void {
  const key = random.pick(Object.keys(object));
  const value = object[key];
  const way = random.next();
  if (way < 0.15) delete object[key];
  else if (way < 0.3) object[random.pick(TEXTS)] = structuredClone(hostile());
  else if (way < 0.8 && isObject(value) && Object.keys(value).length > 0) spoil(value);
  else object[key] = structuredClone(hostile());
}

function nameIn(text: string): unknown {
  return (JSON.parse(text) as { name?: unknown }).name;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

before(async () => {
  await sandbox.create('web1');
  await sandbox.ok('kill', ['web1']);
});

test(`${COUNT} requests, none of them good: each is refused, soon, and nothing is changed`, async (t) => {
  t.diagnostic(random.told);
  const host = sandbox.host({ inHaste: true });
  const state = (): string[] => listing(sandbox.state).filter((line) => !line.startsWith('locks'));
  const before = state();
  let slowest = 0;
  for (let i = 0; i < COUNT; i++) {
    const odd = random.chance(0.03);
    const name = odd ? random.pick(TEXTS) : random.pick(NAMES);
    const text = odd ? random.pick(TEXTS) : spoilt(name as keyof typeof REQUESTS);
    const began = performance.now();
    const reply = await answer(host, name, text);
    slowest = Math.max(slowest, performance.now() - began);
    if (reply.ok) {
      // Ending or removing what is not there is done at once.
      const ended = name === 'vm-stop' || name === 'vm-remove' || name === 'vm-settle';
      assert.ok(ended && nameIn(text) !== 'web1', `request ${i}: ${name} ${text.slice(0, 500)}`);
      continue;
    }
    assert.doesNotMatch(reply.error, /internal error/, `${name} ${text.slice(0, 500)}`);
    assert.doesNotMatch(reply.error, /[\p{Cc}\p{Cf}]/u);
    assert.ok(reply.error.length < 1000, `${reply.error.length} characters`);
  }
  t.diagnostic(`the slowest took ${slowest.toFixed(0)} ms`);
  assert.ok(slowest < 1000, `${slowest} ms`);
  assert.deepEqual(state(), before);
  assert.deepEqual(processesAbout(sandbox.state), []);
});

test('a good request to create a VM that exists is refused, and leaves that VM alone', async () => {
  const host = sandbox.host();
  const before = fs.statSync(sandbox.files('web1').disk);
  const reply = await answer(host, 'vm-create', JSON.stringify(GOOD['vm-create']));
  assert.deepEqual([reply.ok, 'error' in reply && reply.error], [false, 'VM web1 exists already']);
  assert.equal(fs.statSync(sandbox.files('web1').disk).ino, before.ino);
});

test('every request has its place in this test', () => {
  assert.deepEqual(NAMES.sort(), Object.keys(REQUESTS).sort());
});
