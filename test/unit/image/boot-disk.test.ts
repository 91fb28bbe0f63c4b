import assert from 'node:assert/strict';
import test from 'node:test';
import { partitionScript, patchBootCode, patchCoreImage } from '../../../src/image/boot-sectors.ts';

function bootImage(): Buffer {
  const image = Buffer.alloc(512, 0x11);
  image[0] = 0xeb;
  image[0x66] = 0xeb;
  return image;
}

function coreImage(bytes: number): Buffer {
  const image = Buffer.alloc(bytes, 0x22);
  image.fill(0, 0x1f4, 0x1fc);
  image.writeUInt16LE(Math.ceil(bytes / 512) - 1, 0x1fc);
  image.writeUInt16LE(0x820, 0x1fe);
  return image;
}

test('the boot code loads the core image from sector 1 and does not trust the drive number', () => {
  const code = patchBootCode(bootImage());
  assert.equal(code.length, 440);
  assert.equal(code.readBigUInt64LE(0x5c), 1n);
  assert.equal(code.readUInt16LE(0x66), 0x9090);
  assert.equal(code[0x5b], 0x11);
  assert.equal(code[0x64], 0x11);
  assert.equal(code[0x68], 0x11);
});

test('a boot image of unknown layout is refused', () => {
  assert.throws(() => patchBootCode(Buffer.alloc(512)), /boot\.img has an unknown layout/);
  assert.throws(() => patchBootCode(bootImage().subarray(0, 440)), /unknown layout/);
});

test('the core image loads its rest from sector 2 and is padded to whole sectors', () => {
  const core = patchCoreImage(coreImage(1000));
  assert.equal(core.length, 1024);
  assert.equal(core.readBigUInt64LE(0x1f4), 2n);
  assert.equal(core.readUInt16LE(0x1fc), 1);
  assert.equal(core.readUInt16LE(0x1fe), 0x820);
  assert.deepEqual([core[999], core[1000]], [0x22, 0]);
});

test('a core image that would run into the partition, or is none, is refused', () => {
  assert.equal(patchCoreImage(coreImage(2047 * 512)).length, 2047 * 512);
  assert.throws(() => patchCoreImage(coreImage(2047 * 512 + 1)), /takes 2048 sectors, .* 2047/);
  assert.throws(() => patchCoreImage(Buffer.alloc(1024)), /core image has an unknown layout/);
});

test('the root partition starts at 1 MiB and ends with the disk', () => {
  assert.equal(
    partitionScript(64 * 1024 * 1024, 0xabc),
    'label: dos\nlabel-id: 0x00000abc\nunit: sectors\nstart=2048, size=129024, type=83, bootable\n',
  );
});
