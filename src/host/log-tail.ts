import * as fs from 'node:fs';
import { visible } from '../types.ts';

/** As much of a file's end is looked at; what is cut from a line is its end. */
const TAIL_BYTES = 16 * 1024;
const LINE_CHARACTERS = 200;

/**
 * The last lines of a log that somebody less trusted writes, fit for any terminal: escape sequences are taken out,
 * control characters made visible, long lines cut. None when there is no such file, or it is not for us. The last line
 * that is `telling` is the first of them if it would not be there otherwise.
 */
export function lastLines(file: string, count: number, telling?: RegExp): string[] {
  const lines = readableLines(readTail(file));
  const last = lines.slice(-count);
  const key = telling === undefined ? undefined : lines.findLast((line) => telling.test(line));
  return key === undefined || last.includes(key) ? last : [key, ...last.slice(1)];
}

/** Linux says why before it prints its stack, which can be long. */
export const KERNEL_PANIC = /Kernel panic - /;

/** Lines that say something, without what a terminal would act on. */
export function readableLines(text: string): string[] {
  return text
    .replace(ESCAPE_SEQUENCES, '')
    .split('\n')
    .map((line) => line.replace(/[\s\r]+$/, ''))
    .map((line) => line.slice(line.lastIndexOf('\r') + 1))
    .filter((line) => line !== '')
    .map((line) => visible(line.slice(0, LINE_CHARACTERS).replaceAll('\t', ' ')));
}

/** CSI, OSC and two-character sequences (ECMA-48); what is left of others becomes visible. */
const ESCAPE_SEQUENCES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /\u001b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\u0007\u001b]{0,1000}(?:\u0007|\u001b\\)|[ -/]{0,8}[0-~])/g;

function readTail(file: string): string {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  let fd: number | undefined;
  try {
    fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) return '';
    const start = Math.max(0, stat.size - TAIL_BYTES);
    const buffer = Buffer.alloc(TAIL_BYTES);
    const length = fs.readSync(fd, buffer, 0, TAIL_BYTES, start);
    const text = buffer.toString('utf8', 0, length);
    // The first line is a part of one, unless it is the file's first.
    return start === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } catch {
    return '';
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}
