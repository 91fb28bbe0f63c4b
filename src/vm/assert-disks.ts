import * as fs from 'node:fs';
import * as path from 'node:path';
import { NotFoundError, ProvisionerError } from '../errors.ts';
import type { Paths, VmFiles } from '../host/paths.ts';
import { backingLink } from '../image/backing-link.ts';
import { checkImage, type ImageCheck, readImage } from '../image/template-check.ts';
import { findTemplate, type Template } from '../image/template-store.ts';
import type { VmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { assertFile } from './assert-file.ts';
import type { RootContext } from './host.ts';

/**
 * What a start needs and `create` has made, said by name when it is missing or not what it was. A template that is
 * another than `create` knew would show the guest a damaged disk, and what the guest then writes damages it for good.
 */
export async function assertDisks(
  context: RootContext,
  name: VmName,
  config: VmConfig,
): Promise<void> {
  const files = context.paths.vm(name);
  const template = templateOf(context.paths, name, config);
  assertFile(name, 'its disk', files.disk);
  assertFile(name, 'its seed', files.seed);
  const wrong = wrongLink(files, config);
  if (wrong !== undefined) throw new ProvisionerError(`VM ${name}: ${wrong}`, { hint: LINK_HINT });
  const imageFiles = context.paths.template(template.id);
  let check = checkImage(imageFiles, template.manifest);
  if (check.verdict === 'unread') {
    context.report(`template ${template.id} is another file than before: it is read through once`);
    check = await readImage(imageFiles, template.manifest, context.signal);
  }
  const change = describeChange(template, check);
  if (change === undefined) return;
  throw new ProvisionerError(`VM ${name}: ${change}`, { hint: TEMPLATE_HINT });
}

/** The template of a VM. @throws NotFoundError, ProvisionerError naming VM, template and file. */
export function templateOf(paths: Paths, name: VmName, { template: id }: VmConfig): Template {
  try {
    return findTemplate(paths, id);
  } catch (cause) {
    const { image, directory } = paths.template(id);
    const missing = fs.existsSync(image) ? 'is damaged' : 'is missing';
    const Failure = cause instanceof NotFoundError ? NotFoundError : ProvisionerError;
    const where = fs.existsSync(directory) ? image : directory;
    throw new Failure(`VM ${name}: its template ${id} ${missing} (${where})`, {
      hint: TEMPLATE_HINT,
      cause,
    });
  }
}

/** What is wrong with a template's image, in words; undefined when it is what was published. */
export function describeChange(
  { id, image }: Template,
  { verdict, wanted, found }: ImageCheck,
): string | undefined {
  if (verdict !== 'changed') return undefined;
  return `template ${id} is not what was published: ${image} has SHA-256 ${short(found)}, not ${short(wanted)}`;
}

/** What is wrong with the disk's link to its template, in words. */
export function wrongLink(files: VmFiles, { template }: VmConfig): string | undefined {
  const link = backingLink(files.disk);
  // The state directory may have been moved: QEMU gets the path from vm.json, what counts is which template.
  const named = link === undefined ? undefined : path.basename(path.dirname(link));
  if (named === template) return undefined;
  return `${files.disk} was made from ${link ?? 'no template'}, but ${files.config} says ${template}`;
}

const TEMPLATE_HINT = 'bring that directory back from a backup as it was, or destroy the VM';
const LINK_HINT = 'bring back the disk and vm.json that belong together, or destroy the VM';

function short(digest: string | undefined): string {
  return digest?.slice(0, 12) ?? 'unknown';
}
