import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { tinyGuest } from './build.ts';

/** A new directory with a fresh overlay of the guest's disk and a seed of these files. */
export async function makeMachineFiles(seed: Record<string, string>): Promise<string> {
  const backing = await tinyGuest();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tiny-'));
  const at = (name: string): string => path.join(directory, name);
  fs.mkdirSync(at('seed'));
  for (const [name, text] of Object.entries(seed)) fs.writeFileSync(at(`seed/${name}`), text);
  await run('genisoimage', ['-quiet', '-V', 'cidata', '-R', '-o', at('seed.iso'), at('seed')]);
  const overlay = ['-q', '-f', 'qcow2', '-F', 'qcow2', '-b', backing, at('disk.qcow2')];
  await run('qemu-img', ['create', ...overlay]);
  return directory;
}

/** QEMU's options for a machine whose files are all in one directory. */
export function machineArgv(directory: string): string[] {
  const at = (name: string): string => path.join(directory, name);
  const server = 'server=on,wait=off';
  return [
    '-nodefaults -display none -machine q35 -accel tcg -smp 1,maxcpus=2 -m 96 -action panic=pause',
    `-chardev socket,id=console,path=${at('console')},${server},logfile=${at('console.log')}`,
    '-serial chardev:console',
    `-qmp unix:${at('qmp')},${server}`,
    `-blockdev driver=qcow2,node-name=disk,file.driver=file,file.filename=${at('disk.qcow2')}`,
    '-device virtio-blk-pci,drive=disk,bootindex=1',
    `-blockdev driver=raw,node-name=seed,read-only=on,file.driver=file,file.filename=${at('seed.iso')}`,
    '-device virtio-blk-pci,drive=seed',
    `-device virtio-serial-pci -chardev socket,id=agent,path=${at('agent')},${server}`,
    '-device virtserialport,chardev=agent,name=org.qemu.guest_agent.0,id=agent0',
    '-netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net,mac=52:54:00:aa:bb:01',
    '-device virtio-balloon-pci -device virtio-rng-pci -device pvpanic-pci',
  ].flatMap((line) => line.split(' '));
}
