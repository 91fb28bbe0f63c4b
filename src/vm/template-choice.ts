import * as path from 'node:path';
import { probeImage } from '../image/image-probe.ts';
import { importImage } from '../image/import-image.ts';
import { imageInfo } from '../image/qcow2.ts';
import { currentTemplate, findTemplate, type Template } from '../image/template-store.ts';
import type { CreateSpec } from './create-spec.ts';
import type { Host } from './host.ts';

/** What a VM's disk starts from. */
export interface ChosenTemplate {
  id: string;
  virtualSize: number;
}

/** Bytes of the disk the VM starts from, be it in the store already or an image still to be imported. */
export async function sourceSize(host: Host, spec: CreateSpec): Promise<number> {
  if (spec.image === undefined) return stored(host, spec).manifest.virtualSize;
  const format = probeImage(spec.image);
  return (await imageInfo(path.resolve(spec.image), { format, signal: host.signal })).virtualSize;
}

/** The template to start from; an image that is not in the store is brought there first. */
export async function takeTemplate(host: Host, spec: CreateSpec): Promise<ChosenTemplate> {
  const { report, signal } = host;
  const template =
    spec.image === undefined
      ? stored(host, spec)
      : await importImage(host.paths, spec.image, { defaultUser: spec.username, report, signal });
  return { id: template.id, virtualSize: template.manifest.virtualSize };
}

function stored(host: Host, spec: CreateSpec): Template {
  return spec.template === undefined
    ? currentTemplate(host.paths)
    : findTemplate(host.paths, spec.template);
}
