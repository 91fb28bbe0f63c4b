import type { Forward, Segment } from '../store/vm-config.ts';
import { DEVICE, THROTTLE_GROUP } from '../types.ts';
import type { Accel } from './accel.ts';

/** All that QEMU's command line depends on. Paths are absolute; values are validated before they get here. */
export interface QemuLaunch {
  binary: string;
  name: string;
  uuid: string;
  generationId: string;
  accel: Accel;
  vcpus: number;
  memoryMb: number;
  disk: { file: string; backing: string; aio: 'native' | 'io_uring' | 'threads'; direct: boolean };
  /** Further disks of the VM's own, in the order the guest finds them. */
  extraDisks?: readonly string[];
  seed: string;
  mac: string;
  network:
    | { kind: 'user'; sshPort: number; forwards?: readonly Forward[] | undefined }
    | { kind: 'tap'; fd: number; vhost: boolean };
  /** Cards on networks between VMs of this host. */
  segments?: readonly Segment[] | undefined;
  sockets: {
    /** For verbs that change the VM. */
    qmp: string;
    /** For the one resident observer, which stays connected. */
    stat: string;
    /** For verbs that only look, each for milliseconds. */
    probe: string;
    agent: string;
    console: string;
  };
  /** A pipe whose reader keeps the log within its bound. */
  consoleLog: string;
  pidFile: string;
}

/**
 * The QEMU command line (qemu(1), QAPI schema for -blockdev). A pure function, pinned by golden files.
 *
 * QEMU starts stopped (-S): whoever starts it sets what must hold from the guest's first instruction
 * on, then continues it. It is not daemonized, because the strictest sandbox forbids what -daemonize does.
 */
export function qemuArgv(vm: QemuLaunch): string[] {
  return [
    [vm.binary],
    ['-name', `guest=${vm.name},debug-threads=on`],
    ['-uuid', vm.uuid],
    ['-S'],
    ['-no-user-config'],
    ['-nodefaults'],
    ['-display', 'none'],
    ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ['-machine', 'q35,usb=off,vmport=off,dump-guest-core=off'],
    ...accelerator(vm.accel),
    ['-smp', processors(vm)],
    ['-m', `size=${vm.memoryMb}M`],
    ['-rtc', 'base=utc'],
    ['-boot', 'menu=off,strict=on'],
    ['-action', 'reboot=reset,shutdown=poweroff,panic=pause'],
    ['-msg', 'timestamp=on,guest-name=off'],
    ['-pidfile', vm.pidFile],
    ...monitor('qmp', vm.sockets.qmp),
    ...monitor('stat', vm.sockets.stat),
    ...monitor('probe', vm.sockets.probe),
    ['-object', 'iothread,id=io0'],
    ...disk(vm),
    ...seed(vm),
    ...(vm.extraDisks ?? []).flatMap((file, index) => extraDisk(vm, file, index + 1)),
    ...network(vm),
    ...(vm.segments ?? []).flatMap(segment),
    ['-device', 'virtio-serial-pci,id=serial0'],
    ['-chardev', socket(DEVICE.agentChardev, vm.sockets.agent)],
    [
      '-device',
      `virtserialport,bus=serial0.0,chardev=${DEVICE.agentChardev},name=org.qemu.guest_agent.0,id=${DEVICE.agent}`,
    ],
    [
      '-chardev',
      `${socket('console', vm.sockets.console)},logfile=${escapeComma(vm.consoleLog)},logappend=on`,
    ],
    ['-serial', 'chardev:console'],
    ['-device', `virtio-balloon-pci,id=${DEVICE.balloon},deflate-on-oom=on,free-page-reporting=on`],
    ['-object', 'rng-random,id=random0,filename=/dev/urandom'],
    ['-device', 'virtio-rng-pci,id=rng0,rng=random0'],
    ['-device', `vmgenid,guid=${vm.generationId},id=generation0`],
    ['-device', 'pvpanic-pci,id=panic0'],
  ].flat();
}

function accelerator(accel: Accel): string[][] {
  return accel === 'kvm'
    ? [
        ['-accel', 'kvm'],
        ['-cpu', 'host'],
        ['-global', 'kvm-pit.lost_tick_policy=delay'],
      ]
    : [
        ['-accel', 'tcg,thread=multi'],
        ['-cpu', 'max'],
      ];
}

/**
 * One emulated vCPU gets room for a second one, which never comes: for a guest that cannot have two, QEMU translates `lock`
 * prefixes and fences to nothing, and virtio's notices get lost between the guest and QEMU's own threads
 * (docs/decisions/0022-one-emulated-vcpu-has-room-for-two.md).
 */
function processors({ accel, vcpus }: QemuLaunch): string {
  return accel === 'tcg' && vcpus === 1
    ? 'cpus=1,maxcpus=2,sockets=2,cores=1,threads=1'
    : `cpus=${vcpus},sockets=1,cores=${vcpus},threads=1`;
}

function monitor(id: string, path: string): string[][] {
  return [
    ['-chardev', socket(id, path)],
    ['-mon', `chardev=${id},mode=control`],
  ];
}

function socket(id: string, path: string): string {
  return `socket,id=${id},path=${escapeComma(path)},server=on,wait=off`;
}

/** A template is read through the host's page cache: one copy in memory serves all VMs made from it. */
const SHARED = { cache: { direct: false, 'no-flush': false }, aio: 'threads' };

/**
 * Every layer is named, the backing file too: QEMU then never follows a path that stands in an image.
 */
function disk({ disk: { file, backing, aio, direct } }: QemuLaunch): string[][] {
  const cache = { direct, 'no-flush': false };
  return [
    blockdev({
      driver: 'file',
      'node-name': 'template-file',
      filename: backing,
      'read-only': true,
      'auto-read-only': false,
      ...SHARED,
    }),
    blockdev({
      driver: 'qcow2',
      'node-name': 'template',
      file: 'template-file',
      'read-only': true,
      cache: SHARED.cache,
    }),
    blockdev({
      driver: 'file',
      'node-name': 'disk-file',
      filename: file,
      discard: 'unmap',
      cache,
      aio,
    }),
    blockdev({
      driver: 'qcow2',
      'node-name': 'disk-image',
      file: 'disk-file',
      backing: 'template',
      discard: 'unmap',
      'detect-zeroes': 'unmap',
      cache,
    }),
    ['-object', `throttle-group,id=${THROTTLE_GROUP}`],
    throttled('disk', 'disk-image'),
    [
      '-device',
      `virtio-blk-pci,id=${DEVICE.disk},drive=disk,iothread=io0,bootindex=1,write-cache=on,discard=on,serial=disk`,
    ],
  ];
}

function seed(vm: QemuLaunch): string[][] {
  return [
    blockdev({ driver: 'file', 'node-name': 'seed-file', filename: vm.seed, 'read-only': true }),
    blockdev({ driver: 'raw', 'node-name': 'seed', file: 'seed-file', 'read-only': true }),
    ['-device', `virtio-blk-pci,id=${DEVICE.seed},drive=seed,serial=seed`],
  ];
}

function network({ network: net, mac }: QemuLaunch): string[][] {
  const backend =
    net.kind === 'user'
      ? [
          `user,id=${DEVICE.nic},hostfwd=tcp:127.0.0.1:${net.sshPort}-:22`,
          ...(net.forwards ?? []).map(forward),
        ].join(',')
      : `tap,id=${DEVICE.nic},fd=${net.fd}${net.vhost ? ',vhost=on' : ''}`;
  return [
    ['-netdev', backend],
    ['-device', `virtio-net-pci,id=${DEVICE.nic},netdev=${DEVICE.nic},mac=${mac},romfile=`],
  ];
}

function forward({ protocol, host_ip, host_port, guest_port }: Forward): string {
  return `hostfwd=${protocol}:${host_ip}:${host_port}-:${guest_port}`;
}

function segment({ mac, group, port }: Segment, index: number): string[][] {
  const id = `segment${index + 1}`;
  return [
    ['-netdev', `socket,id=${id},mcast=${group}:${port},localaddr=127.0.0.1`],
    ['-device', `virtio-net-pci,id=${id},netdev=${id},mac=${mac},romfile=`],
  ];
}

function extraDisk(
  { disk: { aio, direct } }: QemuLaunch,
  file: string,
  number: number,
): string[][] {
  const id = `extra${number}`;
  const cache = { direct, 'no-flush': false };
  return [
    blockdev({
      driver: 'file',
      'node-name': `${id}-file`,
      filename: file,
      discard: 'unmap',
      cache,
      aio,
    }),
    blockdev({
      driver: 'qcow2',
      'node-name': `${id}-image`,
      file: `${id}-file`,
      backing: null,
      discard: 'unmap',
      'detect-zeroes': 'unmap',
      cache,
    }),
    throttled(id, `${id}-image`),
    ['-device', `virtio-blk-pci,id=${id},drive=${id},iothread=io0,discard=on,serial=${id}`],
  ];
}

/**
 * What a device sees of an image: all disks of a VM draw on one group. Limits are set and changed in the group while
 * QEMU runs; without any it costs nothing.
 */
function throttled(name: string, image: string): string[] {
  return blockdev({
    driver: 'throttle',
    'node-name': name,
    'throttle-group': THROTTLE_GROUP,
    file: image,
  });
}

function blockdev(node: Record<string, unknown>): string[] {
  return ['-blockdev', JSON.stringify(node)];
}

/** In QEMU's key=value options a comma in a value is doubled. */
function escapeComma(value: string): string {
  return value.replaceAll(',', ',,');
}
