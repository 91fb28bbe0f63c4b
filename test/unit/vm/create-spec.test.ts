import assert from 'node:assert/strict';
import * as os from 'node:os';
import { test } from 'node:test';
import { InputError } from '../../../src/errors.ts';
import { GiB, parseVmName } from '../../../src/types.ts';
import { type CreateSpec, checkCreateSpec, diskBytes } from '../../../src/vm/create-spec.ts';

test('what engines send is accepted', async () => {
  for (const wallet of [
    '',
    `0x${'a'.repeat(40)}`,
    'f'.repeat(56),
    'addr_test1qz',
    '9f4QF8AD1nQ3nJahQVkM',
  ]) {
    await checkCreateSpec({ ...spec(), wallet });
  }
  for (const nftTokenId of [null, '7', 'a'.repeat(64)])
    await checkCreateSpec({ ...spec(), nftTokenId });
});

test('bad values are refused in one line that names them and says what is possible', async () => {
  const bad: Partial<CreateSpec>[] = [
    { wallet: 'a b' },
    { wallet: "x'; reboot" },
    { wallet: 'a:b' },
    { wallet: 'a\nb' },
    { wallet: 'x'.repeat(129) },
    { nftTokenId: '' },
    { nftTokenId: '$(id)' },
    { username: 'Root' },
    { username: 'a b' },
    { username: '-x' },
    { vcpus: 0 },
    { vcpus: os.availableParallelism() + 1 },
    { vcpus: 1.5 },
    { memoryMb: 63 },
    { memoryMb: 1e9 },
    { diskGb: 0 },
    { diskGb: 1e6 },
    { expiryDays: 1e6 },
    { network: 'bridge', bridge: undefined },
  ];
  for (const change of bad) {
    await assert.rejects(
      checkCreateSpec({ ...spec(), ...change }),
      (error: unknown) => error instanceof InputError && !error.message.includes('\n'),
      JSON.stringify(change),
    );
  }
});

test('the disk is 20 GB, or as large as what it starts from', () => {
  assert.equal(diskBytes(spec(), 2 * GiB), 20 * GiB);
  assert.equal(diskBytes(spec(), 30 * GiB), 30 * GiB);
  assert.equal(diskBytes({ ...spec(), diskGb: 5 }, 2 * GiB), 5 * GiB);
});

function spec(): CreateSpec {
  return {
    name: parseVmName('web1'),
    wallet: '0xabc',
    nftTokenId: null,
    expiryDays: 30,
    vcpus: 1,
    memoryMb: 256,
    diskGb: undefined,
    username: 'admin',
    network: 'user',
    bridge: undefined,
    image: undefined,
    template: undefined,
    cloudInitContent: undefined,
    sshKeys: [],
  };
}
