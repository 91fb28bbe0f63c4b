import { type ChildProcess, spawn } from 'node:child_process';
import * as readline from 'node:readline';
import { poll } from '../../../src/host/time.ts';
import type { Namespace } from '../namespace.ts';

/** One TCP connection that a guest makes to the host, and how many bytes have gone over it at which time. */
export class Stream {
  readonly #child: ChildProcess;
  /** Seconds since the first byte, and the bytes until then. */
  readonly points: { at: number; bytes: number }[] = [];
  #ready = false;

  /** `sink` reads what the guest sends, `source` writes as fast as it may. */
  private constructor(namespace: Namespace, kind: 'sink' | 'source', port: number) {
    const argv = [...namespace.prefix, 'perl', '-e', PEER, kind, String(port)];
    const [command = '', ...args] = argv;
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    readline.createInterface({ input: this.#child.stdout ?? process.stdin }).on('line', (line) => {
      if (line === 'ready') this.#ready = true;
      else {
        const [at = 0, bytes = 0] = line.split(' ').map(Number);
        this.points.push({ at, bytes });
      }
    });
  }

  static async listen(
    namespace: Namespace,
    kind: 'sink' | 'source',
    port: number,
  ): Promise<Stream> {
    const stream = new Stream(namespace, kind, port);
    const ready = await poll(() => (stream.#ready ? true : undefined), {
      deadlineMs: 20_000,
      everyMs: 10,
    });
    if (ready === undefined) throw new Error('the peer of the stream does not start');
    return stream;
  }

  /** Seconds since the first byte. */
  get now(): number {
    return this.points.at(-1)?.at ?? 0;
  }

  /** Resolves when the stream is that many seconds old, however long that takes. */
  async reach(seconds: number): Promise<void> {
    const there = await poll(() => (this.now >= seconds ? true : undefined), {
      deadlineMs: 60_000 + seconds * 1000,
      everyMs: 50,
    });
    if (there === undefined) throw new Error(`the stream stands still after ${this.now} s`);
  }

  /** Bits per second of payload between two times. */
  rate(from: number, to: number): number {
    const [a, b] = [this.pointAt(from), this.pointAt(to)];
    return ((b.bytes - a.bytes) * 8) / (b.at - a.at);
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  /** The first that is so old. */
  pointAt(seconds: number): { at: number; bytes: number } {
    const point = this.points.find(({ at }) => at >= seconds) ?? this.points.at(-1);
    if (point === undefined) throw new Error('nothing has gone over the stream');
    return point;
  }
}

/** A small send buffer: what has been written is what has gone. Tells the count ten times a second. */
const PEER = `
use strict;
use Socket;
use Time::HiRes 'time';
$| = 1;
my ($kind, $port) = @ARGV;
socket(my $listening, PF_INET, SOCK_STREAM, 0) or die $!;
setsockopt($listening, SOL_SOCKET, SO_REUSEADDR, 1);
setsockopt($listening, SOL_SOCKET, SO_SNDBUF, 16384) if $kind eq 'source';
bind($listening, sockaddr_in($port, INADDR_ANY)) or die $!;
listen($listening, 1) or die $!;
print "ready\\n";
accept(my $peer, $listening) or die $!;
my ($bytes, $first, $told, $data) = (0, undef, 0, "x" x 8192);
for (;;) {
  my $n = $kind eq 'sink' ? sysread($peer, $data, 65536) : syswrite($peer, $data);
  last if !$n;
  $bytes += $n;
  $first //= time;
  my $age = time - $first;
  if ($age - $told >= 0.1 || $told == 0) { printf "%.4f %d\\n", $age, $bytes; $told = $age || 1e-9 }
}
`;
