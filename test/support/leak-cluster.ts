import * as fs from 'node:fs';

/**
 * Takes a cluster of a qcow2 image to which nothing refers, as a power cut in the middle of a change does.
 */
export function leakCluster(file: string): void {
  const { size } = fs.statSync(file);
  const cluster = 1 << header(file, 20, 4);
  const index = Math.ceil(size / cluster);
  fs.truncateSync(file, (index + 1) * cluster);
  setReferences(file, index, 1);
}

/** Says how often a cluster of the image is in use, truly or not; counts have 16 bits, as by default. */
export function setReferences(file: string, cluster: number, count: number): void {
  // docs/interop/qcow2.txt: the table's offset stands at 48, and its first entry tells where the first block is.
  const block = header(file, header(file, 48, 8), 8);
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(count);
  const fd = fs.openSync(file, 'r+');
  fs.writeSync(fd, bytes, 0, 2, block + 2 * cluster);
  fs.closeSync(fd);
}

function header(file: string, at: number, length: 4 | 8): number {
  const bytes = Buffer.alloc(length);
  const fd = fs.openSync(file, 'r');
  fs.readSync(fd, bytes, 0, length, at);
  fs.closeSync(fd);
  return length === 4 ? bytes.readUInt32BE() : Number(bytes.readBigUInt64BE());
}
