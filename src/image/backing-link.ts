import * as fs from 'node:fs';
import { openWithoutLinks } from '../host/open-beneath.ts';

/** Longest backing file name of a qcow2 image (docs/interop/qcow2.txt of QEMU). */
const MAX_NAME = 1023;

/**
 * The backing file that a qcow2 image's own header names, read without QEMU, which would open it. Undefined when it
 * names none; a header that is not qcow2's is for QEMU to refuse.
 */
export function backingLink(image: string): string | undefined {
  const fd = openWithoutLinks(image, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const head = Buffer.alloc(20);
    fs.readSync(fd, head, 0, head.length, 0);
    const at = head.readBigUInt64BE(8);
    const length = head.readUInt32BE(16);
    if (head.toString('latin1', 0, 4) !== 'QFI\xfb' || at === 0n) return undefined;
    if (length > MAX_NAME || at > Number.MAX_SAFE_INTEGER) return undefined;
    const name = Buffer.alloc(length);
    const read = fs.readSync(fd, name, 0, length, Number(at));
    return name.toString('utf8', 0, read);
  } finally {
    fs.closeSync(fd);
  }
}
