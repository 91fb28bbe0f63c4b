import { messageOf } from '../../src/errors.ts';
import { localRoot } from '../../src/root/local.ts';
import { parseVmName } from '../../src/types.ts';
import { createVm } from '../../src/vm/create.ts';
import { FILES_STEPS } from '../../src/vm/create-files.ts';
import type { CreateSpec } from '../../src/vm/create-spec.ts';
import { CREATE_STEPS } from '../../src/vm/create-steps.ts';
import type { Host } from '../../src/vm/host.ts';
import { restartVm } from '../../src/vm/restart/restart-vm.ts';
import { startVm } from '../../src/vm/start.ts';
import { START_STEPS } from '../../src/vm/start-steps.ts';

/** What happens to a command, before a step (`do`) or right after it (`done`). */
export interface Fault {
  step: string;
  phase: 'do' | 'done';
  /** The step throws, the signal is aborted, or the whole process is ended by SIGKILL. */
  how: 'throw' | 'abort' | 'kill';
}

/** Before and after each of the steps. */
export function faultsOf(steps: readonly { name: string }[], how: Fault['how']): Fault[] {
  return steps.flatMap(({ name: step }) => [
    { step, phase: 'do' as const, how },
    { step, phase: 'done' as const, how },
  ]);
}

/** The message of the fault, by which a test knows that it was this one. */
export function messageOfFault({ step, phase, how }: Fault): string {
  return `fault: ${how} at ${step} (${phase})`;
}

/** Every step of `create`, those of the root side where they are done. */
export const ALL_CREATE_STEPS = CREATE_STEPS.flatMap((step): { name: string }[] => {
  if (step.name === 'files') return [...FILES_STEPS];
  return step.name === 'start' ? [...START_STEPS] : [step];
});

export function tinySpec(
  image: string,
  name: string,
  network: Partial<CreateSpec> = {},
): CreateSpec {
  return {
    name: parseVmName(name),
    wallet: '',
    nftTokenId: null,
    expiryDays: 30,
    vcpus: 1,
    memoryMb: 128,
    diskGb: 1,
    username: 'admin',
    network: 'user',
    bridge: undefined,
    image,
    template: undefined,
    cloudInitContent: undefined,
    sshKeys: [],
    ...network,
  };
}

/** Runs `create` with the fault. @returns what it failed with, or undefined when it succeeded. */
export function createWithFault(
  host: Host,
  spec: CreateSpec,
  fault: Fault,
): Promise<string | undefined> {
  return failureOf(createVm(withFault(host, fault), spec));
}

export function startWithFault(
  host: Host,
  name: string,
  fault: Fault,
): Promise<string | undefined> {
  return failureOf(startVm(withFault(host, fault), parseVmName(name)));
}

/** An attempt to start a VM again that has crashed, without a pause before it. */
export function restartWithFault(
  host: Host,
  name: string,
  fault: Fault,
): Promise<string | undefined> {
  const noPauses = { pausesMs: Array.from({ length: 100 }, () => 0), wellMs: 600_000 };
  return failureOf(restartVm(withFault(host, fault), parseVmName(name), noPauses));
}

async function failureOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function withFault(host: Host, fault: Fault): Host {
  const abort = new AbortController();
  const faulty: Host = {
    ...host,
    signal: abort.signal,
    onStep({ step, phase }) {
      if (step !== fault.step || phase !== fault.phase) return;
      if (fault.how === 'kill') process.kill(process.pid, 'SIGKILL');
      const error = new Error(messageOfFault(fault));
      if (fault.how === 'throw') throw error;
      abort.abort(error);
    },
  };
  return { ...faulty, root: localRoot(faulty) };
}
