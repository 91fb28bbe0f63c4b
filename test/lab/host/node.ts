import { run } from '../../../src/host/exec.ts';

/** How the host gets Node: this machine's own program, or Debian's package when that is what this machine has. */
export async function nodeForHost(): Promise<{ packages: string[]; file: string }> {
  const { stdout } = await run('ldd', [process.execPath]);
  // Debian's takes many libraries along; others are one file.
  if (stdout.includes('libnode.so')) return { packages: ['nodejs'], file: '' };
  return { packages: [], file: process.execPath };
}
