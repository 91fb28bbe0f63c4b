import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { QmpClient } from '../src/qmp/client.ts';
import { tinyGuest } from '../test/support/tiny-guest/build.ts';
import { atMost, median, type Row } from './row.ts';
import { World } from './world.ts';

const MEMORY_MB = 128;
const SETTLE_MS = 20_000;

/**
 * QEMU's own memory: resident pages that are neither guest RAM nor TCG's translated code, after the same
 * guest has booted on our devices and on those that virt-install gives a headless Debian guest by default
 * (read off the XML it writes: PCIe root ports, USB, VNC with a VGA card, tablet, sound, watchdog).
 */
export async function overheadRows(): Promise<Row[]> {
  const world = new World();
  try {
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let round = 0; round < 3; round++) {
      ours.push(await measureOurs(world));
      theirs.push(await measureTheirs(world));
    }
    return [
      atMost(
        "QEMU's own memory, against libvirt's default devices",
        median(ours),
        'MB',
        median(theirs),
      ),
    ];
  } finally {
    await world.verb('destroy', 'o1').catch(() => undefined);
    world.remove();
  }
}

async function measureOurs(world: World): Promise<number> {
  const size = ['--memory', String(MEMORY_MB), '--disk', '1'];
  await world.verb('create', 'o1', '--image', await tinyGuest(), ...size, '--apply');
  await settle();
  const pid = fs.readFileSync(path.join(world.state, 'run/o1/qemu.pid'), 'utf8').trim();
  const own = ownMemoryMb(Number(pid));
  await world.verb('destroy', 'o1');
  return own;
}

async function measureTheirs(world: World): Promise<number> {
  const socket = path.join(world.state, 'l.sock');
  const ports = Array.from(
    { length: 14 },
    (_, i) =>
      `pcie-root-port,port=${0x10 + i},chassis=${i + 1},id=pci.${i + 1},bus=pcie.0,multifunction=${i % 8 === 0 ? 'on' : 'off'},addr=0x${(2 + Math.floor(i / 8)).toString(16)}.${i % 8}`,
  );
  const devices = [
    ...ports,
    'qemu-xhci,p2=15,p3=15,id=usb,bus=pci.2,addr=0x0',
    'virtio-serial-pci,id=virtio-serial0,bus=pci.3,addr=0x0',
    'virtio-blk-pci,bus=pci.4,addr=0x0,drive=disk,id=virtio-disk0,bootindex=1',
    'virtio-net-pci,netdev=n0,id=net0,bus=pci.1,addr=0x0',
    'virtserialport,bus=virtio-serial0.0,nr=1,chardev=c1,id=channel0,name=org.qemu.guest_agent.0',
    'isa-serial,chardev=c0,id=serial0,index=0',
    'usb-tablet,id=input0,bus=usb.0,port=1',
    'VGA,id=video0,vgamem_mb=16,bus=pcie.0,addr=0x1',
    'ich9-intel-hda,id=sound0,bus=pcie.0,addr=0x1b',
    'hda-duplex,id=sound0-codec0,bus=sound0.0,cad=0',
    'virtio-balloon-pci,id=balloon0,bus=pci.5,addr=0x0',
    'virtio-rng-pci,rng=rng0,id=rng0,bus=pci.6,addr=0x0',
  ];
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...[
        '-nodefaults',
        '-no-user-config',
        '-machine',
        'q35,usb=off,dump-guest-core=off',
        '-accel',
        'tcg',
        '-cpu',
        'max',
      ],
      ...[
        '-m',
        String(MEMORY_MB),
        '-smp',
        '1',
        '-no-shutdown',
        '-display',
        'none',
        '-vnc',
        `unix:${socket}.vnc`,
      ],
      ...['-qmp', `unix:${socket},server=on,wait=off`, '-global', 'ICH9-LPC.disable_s3=1'],
      ...['-object', 'rng-random,id=rng0,filename=/dev/urandom', '-netdev', 'user,id=n0'],
      ...[
        '-chardev',
        'null,id=c0',
        '-chardev',
        `socket,id=c1,path=${socket}.qga,server=on,wait=off`,
      ],
      ...['-drive', `if=none,id=disk,file=${await tinyGuest()},format=qcow2,snapshot=on`],
      ...devices.flatMap((device) => ['-device', device]),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  await settle();
  if (child.pid === undefined || child.exitCode !== null)
    throw new Error('the compared QEMU ended');
  const own = ownMemoryMb(child.pid);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const qmp = await QmpClient.connect(socket);
  await qmp.execute('quit').catch(() => undefined);
  await ended;
  qmp.close();
  return own;
}

/** Both sides get the same time to boot and to become quiet. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

/** From /proc/PID/smaps: guest RAM is the mapping of exactly its size, TCG's code the executable anonymous one. */
function ownMemoryMb(pid: number): number {
  let [sum, skip] = [0, false];
  for (const line of fs.readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const mapping = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)/.exec(line);
    if (mapping !== null) {
      const [, from = '', to = '', access = '', inode = ''] = mapping;
      const size = Number.parseInt(to, 16) - Number.parseInt(from, 16);
      const ram = size === MEMORY_MB * 1024 * 1024;
      skip = inode === '0' && (ram || (access.includes('w') && access.includes('x')));
    }
    const resident = /^Rss:\s+(\d+) kB/.exec(line)?.[1];
    if (resident !== undefined && !skip) sum += Number(resident);
  }
  return sum / 1024;
}
