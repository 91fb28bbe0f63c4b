import * as fs from 'node:fs';
import * as path from 'node:path';
import { errnoOf, messageOf, NotFoundError, ProvisionerError } from '../errors.ts';
import { ensureDirectory, syncDirectory, writeFileAtomic } from '../host/files.ts';
import type { Paths } from '../host/paths.ts';
import { temporaryBeside } from '../host/temporary-files.ts';
import { readValidated } from '../host/validate.ts';
import { quote } from '../types.ts';
import { digestOf, rememberImage } from './template-check.ts';
import {
  describeTemplate,
  isTemplateId,
  type TemplateFacts,
  TemplateManifest,
} from './template-manifest.ts';

export interface Template {
  id: string;
  /** Immutable qcow2, to be used as a backing file only. */
  image: string;
  manifest: TemplateManifest;
}

export interface TemplateEntry {
  id: string;
  current: boolean;
  template: Template | undefined;
  /** Why there is no `template`. */
  damage: string | undefined;
}

/** The template `create` uses when none is named. */
export function currentTemplate(paths: Paths): Template {
  const id = currentId(paths);
  if (id === undefined) {
    throw new NotFoundError('there is no template yet', { hint: 'run blockhost-build-template' });
  }
  return findTemplate(paths, id);
}

/** @throws NotFoundError when there is none of that id, ProvisionerError when it is damaged. */
export function findTemplate(paths: Paths, id: string): Template {
  const files = isTemplateId(id) ? paths.template(id) : undefined;
  if (files === undefined || !fs.existsSync(files.directory)) {
    const known = templateIds(paths);
    throw new NotFoundError(`there is no template ${quote(id)}`, {
      hint: known.length === 0 ? 'run blockhost-build-template' : `there are: ${known.join(', ')}`,
    });
  }
  const manifest = readValidated(files.manifest, TemplateManifest);
  const missing = manifest === undefined ? files.manifest : missingImage(files.image);
  if (manifest === undefined || missing !== undefined) {
    throw new ProvisionerError(`template ${id} is damaged: ${missing} is missing`, {
      hint: 'run blockhost-build-template to make another one',
    });
  }
  return { id, image: files.image, manifest };
}

/** All templates, newest first; a damaged one is listed with what is wrong. */
export function listTemplates(paths: Paths): TemplateEntry[] {
  const current = currentId(paths);
  const entries = templateIds(paths).map((id): TemplateEntry => {
    const base = { id, current: id === current };
    try {
      return { ...base, template: findTemplate(paths, id), damage: undefined };
    } catch (error) {
      return { ...base, template: undefined, damage: messageOf(error) };
    }
  });
  const age = (entry: TemplateEntry): string => entry.template?.manifest.created ?? '';
  return entries.sort((a, b) => age(b).localeCompare(age(a)));
}

/** Makes a template of `disk.qcow2` in a staging directory. */
export type Publish = (
  stagingDir: string,
  facts: TemplateFacts,
  options: PublishOptions,
) => Template | Promise<Template>;

/** Publishing where the staging directory is one's own. */
export function publisherOf(paths: Paths): Publish {
  return (...args) => publishTemplate(paths, ...args);
}

export interface PublishOptions {
  /** Let `current` point to it. */
  makeCurrent: boolean;
  now?: Date;
}

/**
 * Makes a template of `disk.qcow2` in a staging directory, by one rename. A template of the same id has
 * the same content and may be in use: it stays as it is, and the staged one is left to its owner.
 */
export function publishTemplate(
  paths: Paths,
  stagingDir: string,
  facts: TemplateFacts,
  options: PublishOptions,
): Template {
  const manifest = describeTemplate(facts, options.now ?? new Date());
  const files = paths.template(manifest.id);
  ensureDirectory(paths.templates, 0o755);
  if (!fs.existsSync(files.directory)) {
    const image = path.join(stagingDir, path.basename(files.image));
    makeImmutable(image);
    const file = path.join(stagingDir, path.basename(files.manifest));
    writeFileAtomic(file, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o444 });
    const digest = digestOf(manifest);
    if (digest !== undefined)
      rememberImage({ image, seen: path.join(stagingDir, path.basename(files.seen)) }, digest);
    fs.chmodSync(stagingDir, 0o755);
    syncDirectory(stagingDir);
    try {
      fs.renameSync(stagingDir, files.directory);
    } catch (error) {
      // Somebody else published the same content meanwhile.
      if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    }
    syncDirectory(paths.templates);
  }
  const template = findTemplate(paths, manifest.id);
  if (options.makeCurrent) setCurrent(paths, manifest.id);
  return template;
}

function setCurrent(paths: Paths, id: string): void {
  const temporary = temporaryBeside(paths.currentTemplate);
  fs.symlinkSync(id, temporary);
  fs.renameSync(temporary, paths.currentTemplate);
  syncDirectory(paths.templates);
}

function currentId(paths: Paths): string | undefined {
  try {
    return path.basename(fs.readlinkSync(paths.currentTemplate));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function templateIds(paths: Paths): string[] {
  try {
    return fs.readdirSync(paths.templates).filter(isTemplateId).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function missingImage(image: string): string | undefined {
  return fs.existsSync(image) ? undefined : image;
}

function makeImmutable(image: string): void {
  const fd = fs.openSync(image, 'r');
  try {
    fs.fsyncSync(fd);
    fs.fchmodSync(fd, 0o444);
  } finally {
    fs.closeSync(fd);
  }
}
