import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { InputError, NotFoundError } from '../../../src/errors.ts';
import { probeImage } from '../../../src/image/image-probe.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'probe-'));
after(() => fs.rmSync(folder, { recursive: true }));

function image(change: (head: Buffer) => void): string {
  const head = Buffer.alloc(4096);
  change(head);
  const file = path.join(folder, `${fs.readdirSync(folder).length}.img`);
  fs.writeFileSync(file, head);
  return file;
}

const qcow2 = (change: (head: Buffer) => void = () => {}) =>
  image((head) => {
    head.write('QFI\xfb', 'latin1');
    head.writeUInt32BE(3, 4);
    change(head);
  });

const vmdk = (descriptor: string, sector = 1n) =>
  image((head) => {
    head.write('KDMV');
    head.writeBigUInt64LE(2048n, 12);
    head.writeBigUInt64LE(sector, 28);
    head.writeBigUInt64LE(2n, 36);
    head.write(descriptor, 512);
  });

test('formats are told by their first bytes', () => {
  assert.equal(probeImage(qcow2()), 'qcow2');
  assert.equal(probeImage(vmdk('CID=1\nparentCID=ffffffff\n')), 'vmdk');
  assert.equal(probeImage(image((h) => h.writeUInt32LE(0xbeda107f, 0x40))), 'vdi');
  assert.equal(probeImage(image((h) => h.write('vhdxfile'))), 'vhdx');
  assert.equal(probeImage(image((h) => h.write('conectix'))), 'vpc');
  assert.equal(probeImage(image((h) => h.writeUInt16BE(0x55aa, 510))), 'raw');
});

test('an image that leads to other files of the host is refused', () => {
  const bad = [
    qcow2((h) => h.writeBigUInt64BE(512n, 8)),
    qcow2((h) => h.writeBigUInt64BE(4n, 72)),
    vmdk('parentCID=12345678\n'),
    vmdk('parentFileNameHint="/etc/shadow"\n'),
    // QEMU looks for it there, whatever the header says.
    vmdk('parentFileNameHint="/etc/shadow"\n', 0n),
    vmdk('parentFileNameHint="/etc/shadow"\n', 6n),
    image((h) => h.write('KDMV')),
    image((h) => h.write('# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0')),
  ];
  for (const file of bad) assert.throws(() => probeImage(file), InputError, file);
});

test('what is no disk image is refused with what to do', () => {
  const packed = image((h) => h.write('\xfd7zXZ', 'latin1'));
  assert.throws(() => probeImage(packed), { hint: 'unpack it first with unxz' });
  assert.throws(() => probeImage(image(() => {})), InputError);
  assert.throws(() => probeImage(folder), InputError);
  assert.throws(() => probeImage(path.join(folder, 'absent')), NotFoundError);
});
