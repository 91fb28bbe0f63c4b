import { type ChildProcess, spawn } from 'node:child_process';
import * as readline from 'node:readline';
import { poll } from '../../../src/host/time.ts';
import { TAP_FD, tapExecPrefix } from '../../../src/net/tap.ts';
import type { Namespace } from '../namespace.ts';

/**
 * A program that sends and receives raw frames: on a tap in QEMU's place, with the descriptor QEMU would get,
 * or on any other device by a packet socket. Frames go in and out as lines of hexadecimal digits.
 */
export class Port {
  readonly received: string[] = [];
  readonly #child: ChildProcess;
  #ready = false;

  private constructor(argv: readonly string[]) {
    const [command = '', ...args] = argv;
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    readline.createInterface({ input: this.#child.stdout ?? process.stdin }).on('line', (line) => {
      if (line === 'ready') this.#ready = true;
      else this.received.push(line);
    });
  }

  /** In the place of QEMU: the tap must have been made, and goes when this program ends. */
  static async onTap(namespace: Namespace, tap: string): Promise<Port> {
    const prefix = [...namespace.prefix, ...tapExecPrefix(tap)];
    return await started(new Port([...prefix, 'perl', '-e', PUMP, String(TAP_FD)]));
  }

  static async onDevice(namespace: Namespace, device: string): Promise<Port> {
    return await started(new Port([...namespace.prefix, 'perl', '-e', PUMP, device]));
  }

  send(frame: Buffer): void {
    this.#child.stdin?.write(`${frame.toString('hex')}\n`);
  }

  /** Whether a frame with this mark has come in. */
  has(mark: Buffer): boolean {
    const hex = mark.toString('hex');
    return this.received.some((frame) => frame.includes(hex));
  }

  /** @throws Error when none comes in time. */
  async sees(mark: Buffer, what: string): Promise<void> {
    const seen = await poll(() => (this.has(mark) ? true : undefined), {
      deadlineMs: 20_000,
      everyMs: 10,
    });
    if (seen === undefined) throw new Error(`${what} has not arrived`);
  }

  get ready(): boolean {
    return this.#ready;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await closed;
    }
  }
}

async function started(port: Port): Promise<Port> {
  const ready = await poll(() => (port.ready ? true : undefined), {
    deadlineMs: 20_000,
    everyMs: 5,
  });
  if (ready === undefined) throw new Error('the program on the port does not start');
  return port;
}

/**
 * A number is a tap's descriptor, whose frames have a virtio-net header of ten bytes before them; anything
 * else is the name of a device. What the device itself sends is not reported (packet(7), sll_pkttype).
 */
const PUMP = `
use strict;
use Socket;
$| = 1;
my ($where) = @ARGV;
my $tap = $where =~ /^\\d+$/;
my $port;
my $index;
if ($tap) { open($port, '+<&=', $where) or die "$where: $!\\n" }
else {
  socket($port, 17, SOCK_RAW, 0x0300) or die "packet socket: $!\\n"; # AF_PACKET, htons(ETH_P_ALL)
  open(my $file, '<', "/sys/class/net/$where/ifindex") or die "$where: $!\\n";
  $index = <$file>;
  bind($port, pack('S n l S C C x8', 17, 3, $index, 0, 0, 0)) or die "$where: bind: $!\\n";
}
print "ready\\n";
my $lines = '';
for (;;) {
  my $wait = '';
  vec($wait, fileno(STDIN), 1) = 1;
  vec($wait, fileno($port), 1) = 1;
  select($wait, undef, undef, undef) > 0 or next;
  if (vec($wait, fileno($port), 1)) {
    my $frame = '';
    if ($tap) { sysread($port, $frame, 70000) or die "$where: $!\\n"; $frame = substr($frame, 10) }
    else {
      my $from = recv($port, $frame, 70000, 0);
      next if !defined $from;
      $frame = '' if (unpack('S n l S C C', $from))[4] == 4; # PACKET_OUTGOING
    }
    print unpack('H*', $frame), "\\n" if length $frame;
  }
  if (vec($wait, fileno(STDIN), 1)) {
    sysread(STDIN, $lines, 65536, length $lines) or exit 0;
    while ($lines =~ s/^([0-9a-f]*)\\n//) {
      my $frame = pack('H*', $1);
      $frame = ("\\0" x 10) . $frame if $tap;
      syswrite($port, $frame) == length $frame or die "$where: send: $!\\n";
    }
  }
}
`;
