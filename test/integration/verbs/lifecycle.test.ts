import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { identify, isRunning } from '../../../src/host/process.ts';
import { poll } from '../../../src/host/time.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { parseVmName } from '../../../src/types.ts';
import { START_STEPS } from '../../../src/vm/start-steps.ts';
import { faultsOf, messageOfFault, startWithFault } from '../../support/faults.ts';
import { leftovers, processesAbout } from '../../support/leftovers.ts';
import { driver } from '../../support/run-driver.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after });
before(() => sandbox.create('web1', '--owner-wallet', '0x1'));

const status = async (name = 'web1'): Promise<string> =>
  (await sandbox.ok('status', [name])).trimEnd();

/** Everything of a run is gone, and everything of the VM is there. */
async function isOff(): Promise<void> {
  assert.equal(await status(), 'suspended');
  const quiet = (): true | undefined =>
    processesAbout(sandbox.state).length === 0 ? true : undefined;
  assert.ok(await poll(quiet, { deadlineMs: 3000, everyMs: 10 }), 'a process is left');
  const { run, process: noted, disk, seed, config } = sandbox.files('web1');
  assert.deepEqual([run, noted].filter(fs.existsSync), []);
  assert.deepEqual([disk, seed, config].filter(fs.existsSync), [disk, seed, config]);
  assert.deepEqual(fs.readdirSync(sandbox.config.paths.journals), []);
}

async function guestIsUp(): Promise<void> {
  const answers = async (): Promise<true | undefined> =>
    (await sandbox.run('guest-exec', ['web1', 'pidof acpid'])).code === 0 ? true : undefined;
  assert.ok(
    await poll(answers, { deadlineMs: 60_000, everyMs: 200 }),
    'the guest does not come up',
  );
}

function qmp(command: 'stop' | 'cont'): Promise<unknown> {
  return withQmp(sandbox.files('web1').qmp, (client) => client.execute(command));
}

test('status words: active while it runs, suspended while it is paused', async () => {
  assert.equal(await status(), 'active');
  await qmp('stop');
  assert.equal(await status(), 'suspended');
  await qmp('cont');
  assert.equal(await status(), 'active');
});

test('a QEMU that hangs is unknown, soon, and does not hold up the list', async () => {
  const pid = sandbox.pid('web1');
  process.kill(pid, 'SIGSTOP');
  try {
    const { stdout, code, seconds } = await sandbox.run('status', ['web1']);
    assert.deepEqual([stdout, code], ['unknown\n', 0]);
    assert.ok(seconds < 5, `${seconds} s`);
    const list = await sandbox.run('list', ['--format', 'json']);
    assert.equal(JSON.parse(list.stdout)[0].status, 'unknown');
    assert.ok(list.seconds < 5, `${list.seconds} s`);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  assert.equal(await status(), 'active');
});

test('status of what does not exist, or is no name, is unknown with exit code 0', async () => {
  for (const name of ['web2', '../web1', '', '-', 'a b', 'web1\n', 'x'.repeat(65), 'constructor']) {
    const { stdout, code, stderr } = await sandbox.run('status', ['--', name]);
    assert.deepEqual([stdout, code], ['unknown\n', 0], `${JSON.stringify(name)}: ${stderr}`);
  }
  const { stdout, code } = await sandbox.run('status');
  assert.deepEqual([stdout, code], ['unknown\n', 0]);
});

test('status and list follow the record of a VM that is marked as destroyed', async () => {
  const other = await sandbox.sibling();
  const vm = { ...(await sandbox.host().store.list())[0], vm_name: 'old1', status: 'destroyed' };
  const database = { vms: { old1: vm }, next_vmid: 101, allocated_ips: [], allocated_ipv6: [] };
  fs.writeFileSync(other.config.paths.records, JSON.stringify(database));
  assert.equal(await other.ok('status', ['old1']), 'destroyed\n');
  assert.match(await other.ok('list'), /^old1\tdestroyed\t10\.0\.2\.15\t\d{4}-\d\d-\d\d$/m);
});

test('list into a pipe: a header and lines separated by tabs; JSON; names', async () => {
  const day = new Date().toISOString().slice(0, 10);
  assert.equal(
    await sandbox.ok('list'),
    `NAME\tSTATUS\tIP\tCREATED\nweb1\tactive\t10.0.2.15\t${day}\n`,
  );
  assert.equal(
    await sandbox.ok('list', ['--format', 'json']),
    `[{"name":"web1","status":"active","ip":"10.0.2.15","created":"${day}"}]\n`,
  );
  assert.equal(await sandbox.ok('list', ['--format', 'names']), 'web1\n');
});

test('list on a terminal is aligned and coloured', async () => {
  const { stdout } = await sandbox.onTerminal('list');
  // Control characters in a readable form: <1m for ESC[1m.
  const lines = stdout.replaceAll('\u001b[', '<').split('\r\n');
  assert.equal(lines[0], '<1mNAME  STATUS  IP         CREATED   <0m');
  assert.match(lines[1] ?? '', /^web1 {2}<32mactive<0m {2}10\.0\.2\.15 {2}\d{4}-\d\d-\d\d$/);
  const other = await sandbox.sibling();
  assert.match((await other.onTerminal('list')).stdout, /^There are no VMs\. Create one: /);
});

test('list of a damaged store is empty, with the reason on stderr and exit code 0', async () => {
  const other = await sandbox.sibling();
  for (const content of ['{', '[]', '{"vms": {"a": {}}, "next_vmid": 100}', '']) {
    fs.writeFileSync(other.config.paths.records, content);
    const { stdout, stderr, code } = await other.run('list', ['--format', 'json']);
    assert.deepEqual([stdout, code], ['[]\n', 0]);
    assert.match(stderr, /^[^\n]*vms\.json is damaged[^\n]*\n$/);
    assert.equal((await other.run('list')).stdout, 'NAME\tSTATUS\tIP\tCREATED\n');
    assert.equal(await other.ok('status', ['a']), 'unknown\n');
  }
});

test('starting a VM that runs is no error', async () => {
  const pid = sandbox.pid('web1');
  assert.equal(await sandbox.ok('start', ['web1']), 'VM web1 is running already\n');
  assert.equal(sandbox.pid('web1'), pid);
});

test('stop: the guest powers itself off', async () => {
  await guestIsUp();
  assert.match(
    await sandbox.ok('stop', ['web1']),
    /^VM web1 is off: the guest powered down after \d+\.\d s\n$/,
  );
  await isOff();
});

test('stop and kill of a VM that is off are no errors', async () => {
  assert.equal(await sandbox.ok('stop', ['web1']), 'VM web1 is off already\n');
  assert.equal(await sandbox.ok('kill', ['web1']), 'VM web1 is off already\n');
  assert.equal(await sandbox.ok('kill', ['web1']), 'VM web1 is off already\n');
  await isOff();
});

for (const how of ['throw', 'abort'] as const) {
  test(`a start that fails leaves the VM off (${how}, at every step)`, async () => {
    for (const fault of faultsOf(START_STEPS, how)) {
      const failure = await startWithFault(sandbox.host(), 'web1', fault);
      assert.equal(failure, messageOfFault(fault));
      await isOff();
    }
  });
}

test('a start that was killed, at any step, is cleaned up by the next verb', async () => {
  const verbs = ['stop', 'kill', 'start'];
  const faults = faultsOf(START_STEPS, 'kill').filter(
    ({ phase }, i) => i === 0 || phase === 'done',
  );
  for (const [i, fault] of faults.entries()) {
    const { signal, stderr } = await driver(sandbox, { start: 'web1', faults: [fault] });
    assert.equal(signal, 'SIGKILL', stderr);
    const verb = verbs[i % verbs.length] ?? '';
    const { code, stderr: said } = await sandbox.run(verb, ['web1']);
    assert.equal(code, 0, said);
    assert.match(said, /^an earlier start of web1 was interrupted: cleaning up$/m);
    if (verb === 'start') {
      assert.equal(await status(), 'active');
      await sandbox.ok('kill', ['web1']);
    }
    await isOff();
  }
});

test('start says what is missing, by name', async () => {
  const { disk, seed } = sandbox.files('web1');
  const template = fs.readdirSync(sandbox.config.paths.templates)[0] ?? '';
  const directory = sandbox.config.paths.template(template).directory;
  for (const [file, expected] of [
    [disk, /^blockhost-vm-start: VM web1: its disk is missing \(\S+\/disk\.qcow2\); /m],
    [seed, /^blockhost-vm-start: VM web1: its seed is missing \(\S+\/seed\.iso\); /m],
    [
      directory,
      new RegExp(
        `^blockhost-vm-start: VM web1: its template ${template} is missing \\(${directory}\\); `,
        'm',
      ),
    ],
  ] as const) {
    fs.renameSync(file, `${file}.away`);
    const { code, stdout, stderr } = await sandbox.run('start', ['web1']);
    fs.renameSync(`${file}.away`, file);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, expected);
    await isOff();
  }
});

test('verbs that work on the disks say which is missing, in one line', async () => {
  const other = await sandbox.copy('web1');
  fs.rmSync(other.files('web1').disk);
  const to = path.join(other.state, 'to');
  for (const [verb, ...args] of [
    ['snapshot', 'list', 'web1'],
    ['snapshot', 'create', 'web1', 's1'],
    ['backup', 'web1', '--to', to],
    ['export', 'web1', to],
  ] as const) {
    const { code, stderr } = await other.run(verb, args);
    assert.equal(code, 1);
    assert.match(stderr, /^[^\n]*: VM web1: its disk is missing \(\S+\/disk\.qcow2\); [^\n]*\n$/);
  }
});

test('a port that somebody took meanwhile is replaced by another', async (t) => {
  const config = (): { network: { ssh_port: number } } =>
    JSON.parse(fs.readFileSync(sandbox.files('web1').config, 'utf8'));
  const port = config().network.ssh_port;
  const somebody = net.createServer();
  t.after(() => somebody.close());
  await new Promise<void>((done) => somebody.listen({ host: '127.0.0.1', port }, done));
  const { code, stderr } = await sandbox.run('start', ['web1']);
  assert.equal(code, 0, stderr);
  const now = config().network.ssh_port;
  assert.notEqual(now, port);
  assert.ok(stderr.includes(`port ${port} is in use: ssh leads through 127.0.0.1:${now} now\n`));
  await sandbox.ok('kill', ['web1']);
});

test('a VM survives the end of the session that started it', async () => {
  // A hang-up goes to all of the terminal's session.
  const { code } = await sandbox.run('start', ['web1'], { prefix: ['setsid', '--wait'] });
  assert.equal(code, 0);
  const pid = sandbox.pid('web1');
  assert.equal(await status(), 'active');
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  // Session of its own, no controlling terminal: nobody hangs it up.
  assert.deepEqual([Number(stat[3]), Number(stat[4])], [pid, 0]);
});

test('kill ends a VM within a second, also one that hangs', async () => {
  const qemu = identify(sandbox.pid('web1'));
  assert.ok(qemu !== undefined);
  process.kill(qemu.pid, 'SIGSTOP');
  const { code, stdout, seconds } = await sandbox.run('kill', ['web1']);
  assert.deepEqual([code, stdout], [0, 'VM web1 is killed\n']);
  assert.ok(seconds < 2, `${seconds} s`);
  assert.equal(isRunning(qemu), false);
  await isOff();
});

test('start after QEMU was killed from outside', async () => {
  await sandbox.ok('start', ['web1']);
  const first = sandbox.pid('web1');
  process.kill(first, 'SIGKILL');
  const ended = async (): Promise<true | undefined> =>
    (await status()) === 'suspended' ? true : undefined;
  assert.ok(await poll(ended, { deadlineMs: 5000, everyMs: 50 }));
  assert.equal(await sandbox.ok('start', ['web1']), 'VM web1 is started\n');
  assert.notEqual(sandbox.pid('web1'), first);
  assert.equal(await status(), 'active');
});

test('stop of a paused VM wakes the guest, which then powers off', async () => {
  await guestIsUp();
  await qmp('stop');
  assert.match(await sandbox.ok('stop', ['web1']), /the guest powered down/);
  await isOff();
});

test('stop: a guest that ignores the button is asked by its agent', async () => {
  await sandbox.ok('start', ['web1']);
  await guestIsUp();
  assert.equal(await sandbox.sh('web1', 'mood off; echo done'), 'done');
  const { stdout, stderr } = await sandbox.run('stop', ['web1', '--timeout', '20']);
  assert.match(stdout, /^VM web1 is off: the guest powered down after .*, when asked again$/m);
  assert.match(stderr, /asking the guest again/);
  await isOff();
});

test('stop: a guest that ignores the button and has no agent is ended by quit, within --timeout', async () => {
  await sandbox.ok('start', ['web1']);
  await guestIsUp();
  assert.equal(await sandbox.sh('web1', 'mood off; mood agent-absent; echo done'), 'done');
  const { stdout, stderr, seconds } = await sandbox.run('stop', ['web1', '--timeout', '8']);
  assert.match(
    stdout,
    /^VM web1 is off: the guest did not power down, QEMU was told to quit after /,
  );
  assert.match(stderr, /asking the guest again/);
  assert.ok(seconds > 2 && seconds < 10, `${seconds} s`);
  await isOff();
});

test('stop: a QEMU that hangs is killed, within bounds', async () => {
  await sandbox.ok('start', ['web1']);
  process.kill(sandbox.pid('web1'), 'SIGSTOP');
  const { stdout, seconds } = await sandbox.run('stop', ['web1']);
  assert.match(stdout, /^VM web1 is off: neither guest nor QEMU answered, QEMU was killed after /);
  assert.ok(seconds < 30, `${seconds} s`);
  await isOff();
});

test('stop: a QEMU that is busy for some seconds has its guest powered off', async () => {
  await sandbox.ok('start', ['web1']);
  await guestIsUp();
  const pid = sandbox.pid('web1');
  process.kill(pid, 'SIGSTOP');
  const stopping = sandbox.begin('stop', ['web1']);
  await stopping.says(/QEMU does not answer/);
  process.kill(pid, 'SIGCONT');
  assert.match((await stopping.done).stdout, /^VM web1 is off: the guest powered down /);
  await isOff();
});

test('start of a VM whose QEMU hangs does not say that it runs', async () => {
  await sandbox.ok('start', ['web1']);
  const pid = sandbox.pid('web1');
  process.kill(pid, 'SIGSTOP');
  const { code, stdout, stderr } = await sandbox.run('start', ['web1']);
  process.kill(pid, 'SIGCONT');
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /VM web1: its QEMU is alive, but does not say whether the guest runs/);
});

test('a start whose end nobody noted: a QEMU that hangs is left alone, the next verb finds its guest', async () => {
  const journal = sandbox.config.paths.journal(parseVmName('web1'));
  fs.writeFileSync(journal, '{"verb":"start"}');
  const qemu = identify(sandbox.pid('web1'));
  assert.ok(qemu !== undefined);
  process.kill(qemu.pid, 'SIGSTOP');
  const { code, stderr } = await sandbox.run('throttle', ['web1', '--iops-read', '100']);
  process.kill(qemu.pid, 'SIGCONT');
  assert.equal(code, 1);
  assert.match(stderr, /an earlier start of web1 was interrupted, and its QEMU does not say/);
  assert.ok(isRunning(qemu) && fs.existsSync(journal));
  // Killed between the guest's first instruction and its last touch.
  const { run } = sandbox.files('web1');
  fs.chmodSync(run, 0o2700);
  await sandbox.ok('throttle', ['web1', '--iops-read', '100']);
  assert.equal(fs.statSync(run).mode & 0o7777, 0o2750);
  assert.ok(isRunning(qemu) && !fs.existsSync(journal));
  await sandbox.ok('throttle', ['web1', '--reset']);
});

test('damaged records keep nobody from killing a VM', async () => {
  const { records } = sandbox.config.paths;
  const whole = fs.readFileSync(records);
  fs.writeFileSync(records, '{');
  const { stderr } = await sandbox.run('kill', ['web1']);
  fs.writeFileSync(records, whole);
  assert.match(stderr, /ended without its record/);
  await isOff();
});

test('stop --timeout 0 does not ask the guest', async () => {
  await sandbox.ok('start', ['web1']);
  const { stdout, stderr, seconds } = await sandbox.run('stop', ['web1', '--timeout', '0']);
  assert.match(stdout, /: the guest was not asked, QEMU was told to quit/);
  assert.doesNotMatch(stderr, /asking/);
  assert.ok(seconds < 5, `${seconds} s`);
  await isOff();
});

test('stop with a short --timeout asks the guest all the same', async () => {
  await sandbox.ok('start', ['web1']);
  const { stdout, stderr } = await sandbox.run('stop', ['web1', '--timeout', '2']);
  assert.match(stdout, /^VM web1 is off: /);
  assert.match(stderr, /asking the guest to power off/);
  await isOff();
});

test('a damaged run.json: status tells unknown, destroy works', async () => {
  const other = await sandbox.copy('web1');
  await other.ok('start', ['web1']);
  const qemu = identify(other.pid('web1'));
  fs.writeFileSync(other.files('web1').process, '{"pid": "many"}');
  assert.equal(await other.ok('status', ['web1']), 'unknown\n');
  assert.equal(await other.ok('destroy', ['web1']), 'VM web1 is destroyed\n');
  assert.ok(qemu !== undefined && !isRunning(qemu));
  assert.deepEqual(await leftovers(other.config.paths), []);
});

test('a damaged journal keeps nobody from stopping or killing the VM', async () => {
  const other = await sandbox.copy('web1');
  const journal = other.config.paths.journal(parseVmName('web1'));
  for (const [verb, ...more] of [['stop', '--timeout', '0'], ['kill']] as const) {
    await other.ok('start', ['web1']);
    const qemu = identify(other.pid('web1'));
    fs.writeFileSync(journal, '{"verb": "sta');
    const { code, stderr } = await other.run(verb, ['web1', ...more]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^VM web1: \S+\/journal\/web1\.json is damaged[^\n]*$/m);
    assert.ok(qemu !== undefined && !isRunning(qemu));
    const { stderr: refused } = await other.run('start', ['web1']);
    assert.match(refused, /^[^\n]*\/journal\/web1\.json is damaged[^\n]*\n$/);
    fs.rmSync(journal);
  }
});

test('a damaged vm.json: start and stop name the file, destroy works', async () => {
  const other = await sandbox.copy('web1');
  fs.writeFileSync(other.files('web1').config, '{"version": 1, "name": ');
  for (const verb of ['start', 'stop', 'metrics']) {
    const { code, stderr } = await other.run(verb, ['web1']);
    assert.equal(code, 1);
    assert.match(stderr, /^[^\n]*\/vms\/web1\/vm\.json is damaged[^\n]*\n$/, verb);
  }
  assert.equal(await other.ok('destroy', ['web1']), 'VM web1 is destroyed\n');
  assert.deepEqual(await leftovers(other.config.paths), []);
});

test('destroy of one that runs, one that is half-made, one that never was', async () => {
  const other = await sandbox.copy('web1');
  fs.mkdirSync(other.files('half').directory, { recursive: true });
  fs.mkdirSync(other.files('half2').run, { recursive: true });
  for (const name of ['half', 'half2'])
    assert.equal(await other.ok('destroy', [name]), `VM ${name} is destroyed\n`);
  await other.ok('start', ['web1']);
  assert.equal(await other.ok('destroy', ['web1']), 'VM web1 is destroyed\n');
  assert.deepEqual(await leftovers(other.config.paths), []);
  for (const name of ['web1', 'never'])
    assert.equal(await other.ok('destroy', [name]), `VM ${name} does not exist: nothing to do\n`);
  assert.deepEqual(await leftovers(other.config.paths), []);
  assert.equal(await other.ok('list'), 'NAME\tSTATUS\tIP\tCREATED\n');
});

test('destroy of a VM whose files are all gone ends its QEMU', async () => {
  const other = await sandbox.copy('web1');
  await other.ok('start', ['web1']);
  const qemu = identify(other.pid('web1'));
  const { run, directory } = other.files('web1');
  for (const gone of [run, directory]) fs.rmSync(gone, { recursive: true });
  assert.equal(await other.ok('destroy', ['web1']), 'VM web1 is destroyed\n');
  assert.ok(qemu !== undefined && !isRunning(qemu));
  assert.deepEqual(await leftovers(other.config.paths), []);
});

test('destroy of a VM whose QEMU hangs', async () => {
  const other = await sandbox.copy('web1');
  await other.ok('start', ['web1']);
  process.kill(other.pid('web1'), 'SIGSTOP');
  const { code, seconds, stderr } = await other.run('destroy', ['web1']);
  assert.equal(code, 0, stderr);
  assert.ok(seconds < 10, `${seconds} s`);
  assert.deepEqual(await leftovers(other.config.paths), []);
});
