import * as assert from 'node:assert/strict';
import { test } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { AgentClient } from '../../../src/qmp/agent/client.ts';
import { AgentCommandError, AgentError } from '../../../src/qmp/agent/errors.ts';
import { type GuestExecRequest, guestExec } from '../../../src/qmp/agent/exec.ts';
import { isAgentOpen } from '../../../src/qmp/agent/is-open.ts';
import type { AgentOpener } from '../../../src/qmp/agent/lease.ts';
import { readGuestFile } from '../../../src/qmp/agent/read-file.ts';
import { guestShutdown } from '../../../src/qmp/agent/shutdown.ts';
import { withQmp } from '../../../src/qmp/with-qmp.ts';
import { tinyGuest } from '../../support/tiny-guest/build.ts';
import { type Qemu, startQemu } from './qemu.ts';

const BOOT_MS = 120_000;
const patient = { deadlineMs: 30_000 };

test('the real agent in a real guest', { timeout: 400_000 }, async (t) => {
  const image = await tinyGuest();
  const disk = `driver=qcow2,node-name=d0,read-only=on,file.driver=file,file.filename=${image}`;
  const qemu = await startQemu(t, [
    ...['-blockdev', disk, '-device', 'virtio-blk-pci,drive=d0,bootindex=1'],
    ...['-netdev', 'user,id=n0,restrict=on', '-device', 'virtio-net-pci,netdev=n0'],
    ...['-device', 'virtio-rng-pci'],
  ]);
  const open: AgentOpener = (options) => AgentClient.open(qemu.agent, { ...patient, ...options });
  const sh = (script: string, more: Partial<GuestExecRequest> = {}) =>
    guestExec(open, { path: '/bin/sh', args: ['-c', script], answerMs: 30_000, ...more });
  await agentOpen(qemu);

  const withAgent = async (work: (agent: AgentClient) => Promise<void>) => {
    const agent = await open(patient);
    try {
      await work(agent);
    } finally {
      agent.close();
    }
  };

  await t.test('says what the guest is', () =>
    withAgent(async (agent) => {
      await agent.execute('guest-ping', undefined, patient);
      const info = await agent.execute('guest-info', undefined, patient);
      assert.ok(info.supported_commands.some(({ name }) => name === 'guest-exec'));
      await agent.execute('guest-get-osinfo', undefined, patient);
      assert.equal((await agent.execute('guest-get-vcpus', undefined, patient)).length, 1);
      await agent.execute('guest-get-host-name', undefined, patient);
      await agent.execute('guest-get-fsinfo', undefined, patient);
      const received = async () => {
        const found = await agent.execute('guest-network-get-interfaces', undefined, patient);
        return found.find(({ statistics }) => statistics !== undefined)?.statistics?.['rx-bytes'];
      };
      // The guest is still booting, and its interfaces come up one by one.
      const bytes = await poll(received, { ...patient, everyMs: 50 });
      assert.equal(typeof bytes, 'number');
      const uptime = await readGuestFile(agent, '/proc/uptime', patient);
      assert.match(uptime.toString(), /^\d+\.\d+ /);
      await assert.rejects(readGuestFile(agent, '/none', patient), AgentCommandError);
    }),
  );

  await t.test('runs commands: code, signal, binary input and output', async () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const echoed = await sh('cat; echo "$0 \\"q\\"" >&2; exit 3', { inputData: all });
    assert.equal(echoed.exitCode, 3);
    assert.ok(echoed.stdout.equals(all));
    assert.equal(echoed.stderr.toString(), '/bin/sh "q"\n');
    const killed = await sh('kill -9 $$');
    assert.equal(killed.signal, 9);
    assert.equal(killed.exitCode, undefined);
    await assert.rejects(guestExec(open, { path: '/none' }), AgentCommandError);
  });

  await t.test('gives large output whole', async () => {
    const large = await sh('head -c 1500000 /dev/zero');
    assert.equal(large.stdout.length, 1_500_000);
    assert.equal(large.stdoutTruncated, false);
  });

  await t.test('answers others during a long command', async () => {
    const long = sh('sleep 2; echo done');
    await withAgent((agent) => agent.execute('guest-ping', undefined, patient));
    assert.equal((await long).stdout.toString(), 'done\n');
  });

  await t.test('is understood again after a client that left in the middle', async () => {
    const first = await open(patient);
    const left = first.execute('guest-get-osinfo', undefined, patient);
    first.close();
    await assert.rejects(left, AgentError);
    await withAgent((agent) => agent.execute('guest-ping', undefined, patient));
  });

  for (const mood of ['silent', 'drip', 'lie', 'lie-later', 'endless'])
    await t.test(`a guest that turns ${mood} makes an error in time, and recovers`, async () => {
      await sh(`mood agent-${mood} 5`);
      const echo = async (): Promise<string | AgentError> => {
        try {
          const request = { args: ['-c', 'echo well'], deadlineMs: 1500, answerMs: 700 };
          return (await guestExec(open, { path: '/bin/sh', ...request })).stdout.toString();
        } catch (error) {
          if (error instanceof AgentError) return error;
          throw error;
        }
      };
      const misled = async () => {
        const said = await echo();
        return said instanceof AgentError ? said : undefined;
      };
      const error = await poll(misled, { deadlineMs: 5000, everyMs: 50 });
      assert.ok(error instanceof AgentError);
      t.diagnostic(`${mood}: ${error.message}`);
      const recovered = async () => ((await echo()) === 'well\n' ? true : undefined);
      assert.equal(await poll(recovered, { deadlineMs: 60_000, everyMs: 200 }), true);
    });

  await t.test('shuts the guest down', { timeout: 60_000 }, async () => {
    await withAgent((agent) => guestShutdown(agent, 'powerdown', patient));
    await qemu.ended;
  });
});

async function agentOpen(qemu: Qemu): Promise<void> {
  await withQmp(qemu.qmp, async (qmp) => {
    const opened = async () => ((await isAgentOpen(qmp)) ? true : undefined);
    assert.equal(await poll(opened, { deadlineMs: BOOT_MS, everyMs: 50 }), true);
  });
}
