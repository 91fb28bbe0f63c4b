import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { TestContext } from 'node:test';
import { poll } from '../../../src/host/time.ts';
import { QmpClient } from '../../../src/qmp/client.ts';
import { QmpGoneError } from '../../../src/qmp/errors.ts';

const SERVER = 'server=on,wait=off';

export interface Qemu {
  qmp: string;
  agent: string;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<unknown>;
}

/** A real QEMU that ends with the test. Without further arguments there is no guest, and it does not run. */
export async function startQemu(t: TestContext, more: readonly string[] = []): Promise<Qemu> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'qmp-'));
  const qmp = path.join(directory, 'qmp.sock');
  const agent = path.join(directory, 'qga.sock');
  const child = spawn(
    'setpriv',
    [
      // So that QEMU ends with this process too, however that ends.
      ...['--pdeathsig', 'KILL', 'qemu-system-x86_64'],
      ...['-nodefaults', '-display', 'none', '-machine', 'q35', '-accel', 'tcg', '-m', '96'],
      ...['-qmp', `unix:${qmp},${SERVER}`],
      ...['-device', 'virtio-serial-pci,id=serial'],
      ...['-chardev', `socket,id=qga,path=${agent},${SERVER}`],
      ...['-device', 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0,id=port'],
      ...['-device', 'virtio-balloon-pci,id=balloon0'],
      ...(more.length > 0 ? more : bare(directory)),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = once(child, 'exit');
  t.after(async () => {
    if (isAlive(child)) child.kill('SIGKILL');
    await ended;
    fs.rmSync(directory, { recursive: true });
  });
  await listening(qmp);
  return { qmp, agent, ended, kill: (signal) => void child.kill(signal) };
}

function bare(directory: string): string[] {
  const disk = path.join(directory, 'disk.raw');
  fs.writeFileSync(disk, '');
  fs.truncateSync(disk, 1024 * 1024);
  return [
    '-S',
    ...['-blockdev', `driver=file,node-name=d0,filename=${disk}`],
    ...['-device', 'virtio-blk-pci,drive=d0,id=disk0'],
    ...['-device', 'pcie-root-port,id=port0,chassis=1'],
    ...['-chardev', 'ringbuf,id=rb,size=4096'],
    ...['-device', 'isa-serial,chardev=rb,id=serial0'],
  ];
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function listening(socket: string): Promise<void> {
  const connect = async (): Promise<true | undefined> => {
    try {
      (await QmpClient.connect(socket, { deadlineMs: 20_000 })).close();
      return true;
    } catch (error) {
      if (error instanceof QmpGoneError) return undefined;
      throw error;
    }
  };
  if ((await poll(connect, { deadlineMs: 20_000, everyMs: 5 })) === undefined)
    throw new Error('QEMU did not open its control socket');
}
