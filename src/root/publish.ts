import * as fs from 'node:fs';
import * as path from 'node:path';
import * as z from 'zod/mini';
import { BusyError, messageOf, ProvisionerError } from '../errors.ts';
import { letRun } from '../host/exec.ts';
import { ensureDirectory, writeFileAtomic } from '../host/files.ts';
import type { Paths } from '../host/paths.ts';
import { identify, isRunning } from '../host/process.ts';
import { readValidated } from '../host/validate.ts';
import { adoptTemplate } from '../image/adopt-template.ts';
import type { RootContext } from '../vm/host.ts';
import { Published, PublishTemplate } from '../vm/root-side.ts';

/** Copying an image takes longer than anybody may be held up at the door: it is a job, which is asked after. */
export const PublishState = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('running') }),
  z.strictObject({ state: z.literal('done'), published: Published }),
]);
export type PublishState = z.infer<typeof PublishState>;

const Job = z.strictObject({
  request: PublishTemplate,
  worker: z.optional(z.strictObject({ pid: z.int(), startTime: z.int(), bootId: z.string() })),
  published: z.optional(Published),
  error: z.optional(z.string()),
});
type Job = z.infer<typeof Job>;

/** Starts the job, or tells how it stands. A job that has ended is forgotten with the answer. */
export function askPublish(context: RootContext, request: PublishTemplate): PublishState {
  const file = fileOf(context.paths, request.token);
  const job = readValidated(file, Job);
  if (job === undefined) {
    ensureDirectory(path.dirname(file), 0o700);
    assertNoOther(path.dirname(file));
    write(file, { request });
    void letRun(process.execPath, [program(), 'root', '--publish', request.token]);
    return { state: 'running' };
  }
  if (job.published === undefined && job.error === undefined && isAlive(file, job))
    return { state: 'running' };
  fs.rmSync(file);
  if (job.published !== undefined) return { state: 'done', published: job.published };
  throw new ProvisionerError(job.error ?? 'publishing the template was interrupted');
}

/** The job itself, in a process of its own. */
export async function workPublish(context: RootContext, token: string): Promise<void> {
  const file = fileOf(context.paths, PublishTemplate.shape.token.parse(token));
  const job = readValidated(file, Job);
  if (job === undefined) throw new ProvisionerError('there is no such job');
  write(file, { ...job, worker: identify(process.pid) });
  try {
    const { token: name, make_current: makeCurrent, ...claimed } = job.request;
    const image = path.join(context.settings.front_dir, 'staging', name, 'disk.qcow2');
    const template = await adoptTemplate(context.paths, image, claimed, {
      makeCurrent,
      signal: context.signal,
    });
    write(file, { request: job.request, published: { id: template.id } });
  } catch (error) {
    write(file, { request: job.request, error: messageOf(error) });
  }
}

/** Each copies an image: one at a time. What nobody has asked after for a day is forgotten. */
function assertNoOther(directory: string): void {
  for (const name of fs.readdirSync(directory)) {
    const file = path.join(directory, name);
    const job = readValidated(file, Job);
    if (job === undefined) continue;
    const ended = job.published !== undefined || job.error !== undefined || !isAlive(file, job);
    if (!ended) throw new BusyError('another template is being published');
    if (Date.now() - fs.statSync(file).mtimeMs > DAY_MS) fs.rmSync(file);
  }
}

const DAY_MS = 86_400_000;

/** A job that nobody works on yet was begun a moment ago, or its worker never came to life. */
const BEGIN_MS = 30_000;

function isAlive(file: string, { worker }: Job): boolean {
  if (worker !== undefined) return isRunning(worker);
  return Date.now() - fs.statSync(file).mtimeMs < BEGIN_MS;
}

function write(file: string, job: Job): void {
  writeFileAtomic(file, JSON.stringify(job));
}

function fileOf(paths: Paths, token: string): string {
  return path.join(paths.state, 'publish', `${token}.json`);
}

function program(): string {
  return fs.realpathSync(process.argv[1] ?? '');
}
