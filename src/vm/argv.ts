import type { Forward, Segment } from '../store/vm-config.ts';
import { DEVICE } from '../types.ts';
import type { Accel } from './accel.ts';
import { type DiskLaunch, extraDisk, seed, systemDisk } from './argv-disks.ts';

/** All that QEMU's command line depends on. Paths are absolute; values are validated before they get here. */
export interface QemuLaunch {
  binary: string;
  name: string;
  uuid: string;
  generationId: string;
  accel: Accel;
  vcpus: number;
  memoryMb: number;
  disk: DiskLaunch;
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
    ...systemDisk(vm.disk),
    ...seed(vm.seed),
    ...(vm.extraDisks ?? []).flatMap((file, index) => extraDisk(vm.disk, file, index + 1)),
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

/** In QEMU's key=value options a comma in a value is doubled. */
function escapeComma(value: string): string {
  return value.replaceAll(',', ',,');
}
