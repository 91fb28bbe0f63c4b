import * as fs from 'node:fs';
import { loadConfig } from '../../../src/host/config.ts';
import { importImage } from '../../../src/image/import-image.ts';
import { tinyGuest } from '../../support/tiny-guest/build.ts';

/** Makes the tiny guest the template that `create` uses when none is named. To be called by root. */
export async function tinyTemplate(): Promise<void> {
  const { paths } = await loadConfig(process.env, 'own');
  fs.mkdirSync(paths.state, { recursive: true });
  const quiet = { defaultUser: 'admin', report: () => undefined };
  const { id } = await importImage(paths, await tinyGuest(), quiet);
  fs.rmSync(paths.currentTemplate, { force: true });
  fs.symlinkSync(id, paths.currentTemplate);
}

/** Options of `create` that suit it. */
export const TINY = ['--memory', '128', '--disk', '1'];
