import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { qemuArgv } from '../../src/vm/argv.ts';
import { compile, installing } from '../support/guest-programs/compile.ts';
import { projectRoot } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { Machine } from '../support/tiny-guest/machine.ts';

/** What a VM with one emulated vCPU gets. */
function oneVcpu(): string[] {
  const golden = `${projectRoot()}/test/unit/vm/golden/tcg-user.json`;
  const argv = qemuArgv(JSON.parse(fs.readFileSync(golden, 'utf8')));
  return ['-smp', '-accel'].flatMap((option) => [option, argv[argv.indexOf(option) + 1] ?? '']);
}

test('an emulated vCPU keeps the order of its memory towards other threads', async (t) => {
  const file = `${temporaryDirectory(t)}/memory`;
  fs.writeFileSync(file, Buffer.alloc(2 ** 20));
  const memory = `memory-backend-file,id=memory,size=1M,mem-path=${file},share=on`;
  const device = ['-object', memory, '-device', 'ivshmem-plain,memdev=memory'];
  await using machine = await Machine.boot({}, [...oneVcpu(), ...device]);
  assert.equal(await machine.sh(await installing(t, 'ordered-guest')), '');
  const found = 'cd $(dirname $(grep -l 0x1110 /sys/bus/pci/devices/*/device)) && echo 1 >enable';
  const host = await compile(t, 'ordered-host');
  for (const barrier of ['lock', 'fence']) {
    // What the last round left would end this one.
    fs.writeFileSync(file, Buffer.alloc(4096), { flag: 'r+' });
    const begin = `/run/ordered-guest ${barrier} resource2 </dev/null >/dev/null 2>&1 &`;
    assert.equal(await machine.sh(`${found} && { ${begin} }`), '');
    const { stdout } = await run(host, [file, '4']);
    const [rounds = 0, neither] = stdout.trim().split(' ').map(Number);
    t.diagnostic(`${barrier}: ${rounds} rounds, neither saw the other in ${neither}`);
    assert.ok(rounds > 0, 'the guest takes no part');
    assert.equal(neither, 0);
    await machine.until('! pidof ordered-guest');
  }
});
