import * as fs from 'node:fs';
import * as path from 'node:path';
import { BusyError, InputError } from '../errors.ts';
import { type Lock, lockFile } from '../host/lock.ts';
import type { Paths } from '../host/paths.ts';
import { sleep } from '../host/time.ts';
import type { Report } from '../types.ts';
import { bootstrap } from './bootstrap.ts';
import { parseChecksum } from './checksum.ts';
import { customizeCloudImage } from './cloud-image.ts';
import type { CustomizeFacts } from './customize-log.ts';
import { debianMirrors, defaultSuite, hostSources, SUITES, type Suite } from './debian-mirrors.ts';
import { hashFile } from './hash-file.ts';
import { templatePackages, writePayload } from './payload.ts';
import { imageInfo } from './qcow2.ts';
import { withStaging } from './staging.ts';
import type { TemplateFacts } from './template-manifest.ts';
import { type Publish, publisherOf, type Template } from './template-store.ts';

export interface BuildTemplateOptions {
  /** Debian release to bootstrap; by default the host's. */
  suite?: Suite | undefined;
  /** Start from this image, a path or URL, instead of bootstrapping; `checksum` is then required. */
  cloudImage?: string | undefined;
  /** `sha512:HEX` or `sha256:HEX` of the cloud image. */
  checksum?: string | undefined;
  /** Folder whose *.deb are installed (contract §15: /var/lib/blockhost/template-packages). */
  packagesDir?: string | undefined;
  /** Whether a folder without packages is an error. */
  requirePackages?: boolean | undefined;
  /** false: leave the base as it is but for what the contract asks; for comparison. Default true. */
  tune?: boolean | undefined;
  /** The account of user-data that names none. */
  defaultUser?: string | undefined;
  /** For customising a cloud image. */
  deadlineMs?: number | undefined;
}

export interface BuildTemplateContext {
  paths: Paths;
  report: Report;
  signal?: AbortSignal | undefined;
  /** How it gets into the store; by default by one rename. */
  publish?: Publish;
  accel: 'kvm' | 'tcg';
  qemuBinary: string;
}

/** Builds a template in staging and publishes it as the current one; when it fails, nothing is left. */
export async function buildTemplate(
  options: BuildTemplateOptions,
  context: BuildTemplateContext,
): Promise<Template> {
  const { paths, report, signal, publish = publisherOf(paths) } = context;
  const requirePackages = options.requirePackages ?? false;
  templatePackages({ packagesDir: options.packagesDir, requirePackages });
  const source = chooseSource(options);
  const tune = options.tune ?? true;
  const lock = await takeTurn(context);
  try {
    return await withStaging(paths, async (staging) => {
      const workDir = path.join(staging, 'work');
      const payload = path.join(workDir, 'payload');
      fs.mkdirSync(payload, { recursive: true });
      const packageFiles = await writePayload(payload, {
        tune,
        packagesDir: options.packagesDir,
        requirePackages,
        signal,
      });
      const image = path.join(staging, path.basename(paths.template('x').image));
      const common = { payload, workDir, image, report, signal };
      const made =
        source.kind === 'bootstrap'
          ? await bootstrap({ ...common, ...source, tune })
          : await customizeCloudImage({
              ...common,
              source: source.image,
              checksum: source.checksum,
              accel: context.accel,
              qemuBinary: context.qemuBinary,
              deadlineMs: options.deadlineMs ?? DEADLINE_MS,
            });
      fs.rmSync(workDir, { recursive: true });
      report('publishing the template');
      const described = await describe(image, source, made, { ...options, tune }, signal);
      const facts = { ...described, packageFiles };
      const template = await publish(staging, facts, { makeCurrent: true });
      report(`template ${template.id} is ready`);
      return template;
    });
  } finally {
    lock.release();
  }
}

/** The installer gives the whole build 30 minutes (contract §15). */
const DEADLINE_MS = 25 * 60_000;

type Source =
  | { kind: 'bootstrap'; suite: Suite; mirrors: ReturnType<typeof debianMirrors> }
  | { kind: 'cloud-image'; image: string; checksum: string };

function chooseSource(options: BuildTemplateOptions): Source {
  if (options.cloudImage === undefined) {
    const suite = options.suite ?? defaultSuite();
    return { kind: 'bootstrap', suite, mirrors: debianMirrors(hostSources(), suite) };
  }
  if (options.checksum === undefined) {
    throw new InputError('a cloud image needs a checksum', {
      hint: 'give --checksum sha512:HEX, as published beside the image',
    });
  }
  parseChecksum(options.checksum);
  return { kind: 'cloud-image', image: options.cloudImage, checksum: options.checksum };
}

async function describe(
  image: string,
  source: Source,
  made: CustomizeFacts,
  options: BuildTemplateOptions & { tune: boolean },
  signal: AbortSignal | undefined,
): Promise<TemplateFacts> {
  const os = source.kind === 'bootstrap' ? SUITES[source.suite] : made.os;
  const { virtualSize } = await imageInfo(image, { format: 'qcow2', signal });
  return {
    label: os !== undefined && /^[a-z0-9]+-[0-9.]{1,8}$/.test(os) ? os : 'linux',
    sha256: await hashFile(image, 'sha256', signal),
    virtualSize,
    source:
      source.kind === 'bootstrap'
        ? { kind: source.kind, suite: source.suite, mirrors: source.mirrors.uris }
        : source,
    ...(os === undefined ? {} : { os }),
    packages: made.packages,
    defaultUser: options.defaultUser ?? 'admin',
    tuned: options.tune,
  };
}

/** Builds take turns: each wants the whole machine, and the last to end decides what is current. */
async function takeTurn({ paths, report, signal }: BuildTemplateContext): Promise<Lock> {
  const options = { what: 'the template store', holder: 'build-template', waitMs: 0 };
  for (let told = false; ; told = true) {
    try {
      return await lockFile(path.join(paths.front, 'locks', '.templates.lock'), options);
    } catch (error) {
      if (!(error instanceof BusyError)) throw error;
      if (!told) report(`${error.message}; waiting for it to finish`);
      await sleep(1000, signal);
    }
  }
}
