import type { Config } from '../host/config.ts';
import { chooseStore } from '../store/choose.ts';
import { EmbeddedStore } from '../store/embedded.ts';

/** The records where they are our own; undefined on a host whose records are BlockHost's. */
export function embeddedStore({ settings, paths }: Config): EmbeddedStore | undefined {
  if (chooseStore(settings, process.env) !== 'embedded') return undefined;
  return new EmbeddedStore(paths.records);
}
