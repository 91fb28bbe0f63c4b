import * as path from 'node:path';
import { blankTemplate } from '../image/blank-template.ts';
import { probeImage } from '../image/image-probe.ts';
import { importImage } from '../image/import-image.ts';
import { imageInfo } from '../image/qcow2.ts';
import {
  currentTemplate,
  findTemplate,
  listTemplates,
  type Template,
} from '../image/template-store.ts';
import type { CreateSpec } from './create-spec.ts';
import type { Host } from './host.ts';
import type { ExtraDisk } from './root-side.ts';

/** What a VM's disk starts from. */
export interface ChosenTemplate {
  id: string;
  virtualSize: number;
  /** Brought into the store for this VM, and of no use to anybody else when that is not made. */
  fresh: boolean;
}

/** Bytes of the disk the VM starts from, be it in the store already or an image still to be imported. */
export async function sourceSize(host: Host, spec: CreateSpec): Promise<number> {
  if (spec.content !== undefined) return spec.content.diskBytes;
  if (spec.image === undefined) return stored(host, spec).manifest.virtualSize;
  const format = probeImage(spec.image);
  return (await imageInfo(path.resolve(spec.image), { format, signal: host.signal })).virtualSize;
}

/** The template to start from; an image that is not in the store is brought there first. */
export async function takeTemplate(host: Host, spec: CreateSpec): Promise<ChosenTemplate> {
  if (spec.image === undefined && spec.content === undefined)
    return chosen(stored(host, spec), false);
  const { report, signal } = host;
  const before = new Set(listTemplates(host.paths).map(({ id }) => id));
  if (spec.image === undefined) {
    const blank = await blankTemplate(host.paths, host.root.publish, signal);
    return chosen(blank, !before.has(blank.id));
  }
  const { publish } = host.root;
  const options = { defaultUser: spec.username, publish, report, signal };
  const template = await importImage(host.paths, spec.image, options);
  return chosen(template, !before.has(template.id));
}

/** Images of further disks are brought into the store too: from there the root side copies them. */
export async function takeDisks(host: Host, spec: CreateSpec): Promise<ExtraDisk[]> {
  const disks: ExtraDisk[] = [];
  for (const disk of spec.extras?.disks ?? []) {
    if ('bytes' in disk) disks.push(disk);
    else disks.push({ template: (await takeTemplate(host, { ...spec, image: disk.image })).id });
  }
  return disks;
}

function chosen({ id, manifest }: Template, fresh: boolean): ChosenTemplate {
  return { id, virtualSize: manifest.virtualSize, fresh };
}

function stored(host: Host, spec: CreateSpec): Template {
  return spec.template === undefined
    ? currentTemplate(host.paths)
    : findTemplate(host.paths, spec.template);
}
