import { NotFoundError } from '../errors.ts';
import { ExecError, run } from '../host/exec.ts';

/** The programs that make ISO images with one and the same set of options. */
const PROGRAMS = ['genisoimage', 'xorrisofs', 'mkisofs'] as const;

export interface IsoOptions {
  /** Everything in this folder gets on the ISO, with Rock Ridge names. */
  folder: string;
  /** Volume label. */
  label: string;
  file: string;
  signal?: AbortSignal | undefined;
}

/** Makes an ISO 9660 image with whichever program is installed. */
export async function makeIso(options: IsoOptions): Promise<void> {
  for (const program of PROGRAMS) {
    try {
      await run(
        program,
        ['-quiet', '-o', options.file, '-V', options.label, '-J', '-R', options.folder],
        { signal: options.signal },
      );
      return;
    } catch (error) {
      if (!(error instanceof ExecError && error.missing)) throw error;
    }
  }
  throw new NotFoundError('no program to make ISO images is installed', {
    hint: 'install genisoimage or xorriso',
  });
}
