import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { InputError } from '../errors.ts';
import { ExecError, run } from '../host/exec.ts';
import { ensureDirectory, readFileIfExists, writeFileAtomic } from '../host/files.ts';
import { bootId } from '../host/process.ts';

export type Accel = 'kvm' | 'tcg';

export interface AccelChoice {
  accel: Accel;
  /** Why, for a person: "KVM works", "no /dev/kvm: guests run in emulation (TCG), slowly". */
  reason: string;
}

export interface AccelOptions {
  setting: 'auto' | Accel;
  binary: string;
  /** Where the finding is kept for the rest of this boot. */
  cacheFile: string;
  signal?: AbortSignal | undefined;
}

/**
 * KVM where a guest instruction really runs under it, else TCG. A /dev/kvm that opens proves nothing:
 * inside some virtual machines it accepts a VM whose first instruction never ends.
 * @throws InputError when KVM is demanded by the configuration and does not work.
 */
export async function chooseAccel(options: AccelOptions): Promise<AccelChoice> {
  if (options.setting === 'tcg') return { accel: 'tcg', reason: 'the configuration asks for TCG' };
  const obstacle = staticObstacle() ?? (await probeOncePerBoot(options));
  if (obstacle === undefined) return { accel: 'kvm', reason: 'KVM works here' };
  if (options.setting === 'kvm') {
    throw new InputError(`accel is set to kvm, but ${obstacle}`, {
      hint: 'enable virtualization, or set accel to auto or tcg',
    });
  }
  return {
    accel: 'tcg',
    reason: `${obstacle}: guests run in emulation (TCG), about ten times slower`,
  };
}

/** What rules KVM out at a glance, or undefined. */
function staticObstacle(): string | undefined {
  try {
    fs.accessSync('/dev/kvm', fs.constants.R_OK | fs.constants.W_OK);
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return missing ? 'there is no /dev/kvm' : '/dev/kvm is not accessible for this user';
  }
  const flags =
    /^flags\s*:(.*)$/m.exec(readFileIfExists('/proc/cpuinfo') ?? '')?.[1]?.split(' ') ?? [];
  if (!flags.includes('vmx') && !flags.includes('svm')) {
    return 'the CPU offers no hardware virtualization (no vmx or svm flag)';
  }
  return undefined;
}

const Probe = z.enum(['works', 'fails', 'hangs']);
type Probe = z.infer<typeof Probe>;

const Cache = z.object({
  bootId: z.string(),
  binary: z.string(),
  result: Probe,
  /** Milliseconds since boot. */
  atMs: z.number(),
});

/** A guest that did not come to its end may have been on a host that was busy: asked again after this time. */
const HANGS_FOR_MS = 10 * 60_000;

const OBSTACLE: Record<Probe, string | undefined> = {
  works: undefined,
  fails: 'a test guest does not run under KVM',
  hangs: 'a test guest hangs under KVM',
};

async function probeOncePerBoot(options: AccelOptions): Promise<string | undefined> {
  const cached = z.safeParse(Cache, parseJson(readFileIfExists(options.cacheFile)));
  if (cached.success && holds(cached.data, options.binary)) return OBSTACLE[cached.data.result];
  const result = await probeGuest('kvm', options.binary, options.signal);
  ensureDirectory(path.dirname(options.cacheFile));
  const finding = { bootId: bootId(), binary: options.binary, result, atMs: sinceBootMs() };
  writeFileAtomic(options.cacheFile, JSON.stringify(finding), { mode: 0o644 });
  return OBSTACLE[result];
}

function holds(finding: z.infer<typeof Cache>, binary: string): boolean {
  if (finding.bootId !== bootId() || finding.binary !== binary) return false;
  return finding.result !== 'hangs' || sinceBootMs() - finding.atMs < HANGS_FOR_MS;
}

function sinceBootMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** What the probe guest leaves in QEMU's exit code: isa-debug-exit gives (value << 1) | 1. */
const PROBE_VALUE = 0x2a;

/**
 * Starts a 64 KiB "BIOS" of three instructions under the accelerator: `mov al, 0x2a; out 0xf4, al; hlt`
 * at the reset vector. QEMU's exit code proves that they ran.
 */
async function probeGuest(accel: Accel, binary: string, signal?: AbortSignal): Promise<Probe> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'blockhost-accel-'));
  try {
    const rom = Buffer.alloc(64 * 1024, 0xf4);
    Buffer.from([0xb0, PROBE_VALUE, 0xe6, 0xf4, 0xf4]).copy(rom, rom.length - 16);
    const file = path.join(directory, 'probe.bin');
    fs.writeFileSync(file, rom);
    const { exitCode } = await run(
      binary,
      [
        ...[
          '-accel',
          accel,
          '-machine',
          'pc,graphics=off',
          '-cpu',
          accel === 'kvm' ? 'host' : 'max',
        ],
        ...['-m', '1', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
        ...['-bios', file, '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
      ],
      { okCodes: [0, 1, (PROBE_VALUE << 1) | 1], timeoutMs: 2000, signal },
    );
    return exitCode === ((PROBE_VALUE << 1) | 1) ? 'works' : 'fails';
  } catch (error) {
    if (error instanceof ExecError && !error.missing) return error.timedOut ? 'hangs' : 'fails';
    throw error;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
