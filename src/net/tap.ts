import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError, ProvisionerError } from '../errors.ts';
import { run } from '../host/exec.ts';
import { readFileIfExists } from '../host/files.ts';
import { applyIp } from './ip-batch.ts';

/** The tap of VM number `vmid`; BlockHost's root agent accepts taps of this form only (contract §7). */
export function tapName(vmid: number): string {
  return `tap${vmid}i0`;
}

/** Whether this network namespace has a bridge of that name. */
export function bridgeExists(bridge: string): boolean {
  return fs.existsSync(path.join('/sys/class/net', bridge, 'bridge'));
}

/** @throws InputError unless there is such a bridge in this network namespace. */
export function assertBridge(bridge: string): void {
  if (bridgeExists(bridge)) return;
  const exists = fs.existsSync(path.join('/sys/class/net', bridge));
  if (exists) {
    throw new InputError(`${bridge} is not a bridge`, {
      hint: 'name a bridge; ip link show type bridge lists those of this host',
    });
  }
  throw new InputError(`${bridge} does not exist`, {
    hint: `make it with: ip link add ${bridge} type bridge && ip link set ${bridge} up`,
  });
}

/** ip(8) batch lines that make a tap and plug it into the bridge as an isolated port. */
export function tapPlan(tap: string, bridge: string): string[] {
  return [
    // Nobody but root can open it before QEMU has it.
    `tuntap add dev ${tap} mode tap vnet_hdr user 0`,
    // The host itself has no business on this link: no link-local address of its own.
    `link set dev ${tap} addrgenmode none`,
    ...portPlan(tap, bridge),
  ];
}

/** What makes a tap an isolated port of the bridge, also one that was one before. */
function portPlan(tap: string, bridge: string): string[] {
  return [
    `link set dev ${tap} master ${bridge}`,
    `link set dev ${tap} type bridge_slave isolated on`,
    `link set dev ${tap} up`,
  ];
}

/** Plugs a running VM's tap in again, whatever somebody else has done to the port. */
export async function repairPort(tap: string, bridge: string): Promise<void> {
  await applyIp(portPlan(tap, bridge));
}

/**
 * @throws ProvisionerError when a tap of that name serves another program; one that was left by an
 * interrupted start is replaced.
 */
export async function createTap(tap: string, bridge: string): Promise<void> {
  await assertTapFree(tap);
  await applyIp(tapPlan(tap, bridge));
}

/** Removes a tap that an interrupted start has left. @throws ProvisionerError when one serves another program. */
export async function assertTapFree(tap: string): Promise<void> {
  await removeTap(tap);
  if (tapState(tap) === 'in use') {
    throw new ProvisionerError(`the network device ${tap} is in use by another program`, {
      hint: 'another state directory on this host has a VM of the same number; destroy one of the two',
    });
  }
}

/** Whether there is a tap of that name, whoever has it. */
export function tapExists(tap: string): boolean {
  return tapState(tap) !== 'absent';
}

/** Removes a tap that no QEMU has taken over; a tap that one has goes with its QEMU. */
export async function removeTap(tap: string): Promise<void> {
  if (tapState(tap) === 'left over') await run('ip', ['link', 'delete', 'dev', tap]);
}

const IFF_PERSIST = 0x0800;

/** A tap of ours is persistent only until QEMU has it. */
function tapState(tap: string): 'absent' | 'left over' | 'in use' {
  const directory = path.join('/sys/class/net', tap);
  if (!fs.existsSync(directory)) return 'absent';
  const flags = readFileIfExists(path.join(directory, 'tun_flags'));
  return flags !== undefined && (Number(flags) & IFF_PERSIST) !== 0 ? 'left over' : 'in use';
}

/** The descriptor under which the executed command finds the tap. */
export const TAP_FD = 3;

/**
 * Opens the tap, takes its persistence away and executes the rest of argv with it as descriptor 3. From
 * then on the tap lives exactly as long as QEMU: however it ends, the kernel removes the tap, and
 * with it the bridge port. (tun ioctls: linux/if_tun.h; Node cannot make ioctl calls, perl-base can
 * and is essential on Debian.)
 */
const TAP_EXEC = `
use strict;
use POSIX ();
my ($tap, $want, @command) = @ARGV;
sysopen(my $fd, '/dev/net/tun', POSIX::O_RDWR()) or die "/dev/net/tun: $!\\n";
my $flags = 0x0002 | 0x1000 | 0x4000; # IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
ioctl($fd, 0x400454ca, pack('a16 S x22', $tap, $flags)) or die "$tap: TUNSETIFF: $!\\n";
ioctl($fd, 0x400454cb, 0) or die "$tap: TUNSETPERSIST: $!\\n";
POSIX::dup2(fileno($fd), $want) or die "$tap: dup2: $!\\n";
open(my $kept, '+<&=', $want) or die "$tap: $!\\n";
require Fcntl;
fcntl($kept, Fcntl::F_SETFD(), 0) or die "$tap: F_SETFD: $!\\n";
exec { $command[0] } @command or die "$command[0]: $!\\n";
`;

export function tapExecPrefix(tap: string): string[] {
  return ['perl', '-e', TAP_EXEC, tap, String(TAP_FD)];
}

/** vhost-net moves packets in the kernel; QEMU aborts when it is asked for and cannot be opened. */
export function vhostAvailable(
  user: { uid: number; groups: readonly number[] } | undefined,
  device = '/dev/vhost-net',
): boolean {
  if (user === undefined) {
    try {
      fs.accessSync(device, fs.constants.R_OK | fs.constants.W_OK);
      return true;
    } catch {
      return false;
    }
  }
  const stat = fs.statSync(device, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  const bits = stat.uid === user.uid ? 0o600 : user.groups.includes(stat.gid) ? 0o060 : 0o006;
  return (stat.mode & bits) === bits;
}
