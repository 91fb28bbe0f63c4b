/** What is wrong with how a hostile command line ended; undefined when it ended as it has to. */
export function wrongEnd(
  verb: string,
  code: number | null | undefined,
  { stdout, stderr }: { stdout: string; stderr: string },
): string | undefined {
  if (code === undefined || code === null) return 'it did not end';
  if (/^\s+at /m.test(stderr) || /internal error/.test(stderr)) return 'an internal error';
  if (code !== 0 && code !== 1) return `exit code ${code}`;
  // The root side answers whoever asks it, in JSON.
  if (verb === 'root') return undefined;
  if (code === 0) return undefined;
  if (stdout !== '') return 'a failure with a result';
  if (!/^blockhost-[a-z-]+: [^\n]+\n$/.test(stderr)) return 'not one line';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u0009\u000b-\u001f\u007f\u202a-\u202e]/.test(stderr)) return 'control characters';
  return undefined;
}
