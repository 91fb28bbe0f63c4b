import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../../../src/host/config.ts';
import { localRoot } from '../../../src/root/local.ts';
import { EmbeddedStore } from '../../../src/store/embedded.ts';
import { writeVmConfig } from '../../../src/store/vm-config.ts';
import { parseVmName } from '../../../src/types.ts';
import type { Host } from '../../../src/vm/host.ts';
import { returnTemplate } from '../../../src/vm/template-claim.ts';
import { configOf } from '../../support/fleet/config.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const ID = 'image-aaaaaaaaaaaa';
const fresh = { id: ID, virtualSize: 1024, fresh: true };

/** A host whose store has one template. */
async function hostOf(t: TestContext): Promise<Host> {
  const config = await loadConfig({
    BLOCKHOST_QEMU_STATE_DIR: temporaryDirectory(t),
    BLOCKHOST_QEMU_CONFIG: '/dev/null',
  });
  const quiet = (): void => undefined;
  const signal = new AbortController().signal;
  const context = { ...config, report: quiet, verbose: quiet, signal };
  fs.mkdirSync(config.paths.template(ID).directory, { recursive: true });
  fs.writeFileSync(config.paths.template(ID).image, 'content');
  return { ...context, root: localRoot(context), store: new EmbeddedStore(config.paths.records) };
}

const isThere = ({ paths }: Host): boolean => fs.existsSync(paths.template(ID).image);

test('a template that a create brought and nobody uses goes with it', async (t) => {
  const host = await hostOf(t);
  await returnTemplate(host, { ...fresh, fresh: false });
  assert.ok(isThere(host), 'it was there before');
  await returnTemplate(host, fresh);
  assert.ok(!isThere(host));
});

test('one from which another VM has been made meanwhile stays', async (t) => {
  const host = await hostOf(t);
  const files = host.paths.vm(parseVmName('web1'));
  fs.mkdirSync(files.directory, { recursive: true });
  writeVmConfig(files, { ...configOf('web1', 1), template: ID });
  await returnTemplate(host, fresh);
  assert.ok(isThere(host));
});

test('one that a create under way has taken stays', async (t) => {
  const host = await hostOf(t);
  const journal = host.paths.journal(parseVmName('web1'));
  fs.mkdirSync(host.paths.journals, { recursive: true });
  // Of an earlier version, damaged, of ours.
  for (const text of ['{"verb":"create"}', '{', `{"verb":"create","templates":["${ID}"]}`]) {
    fs.writeFileSync(journal, text);
    await returnTemplate(host, fresh);
    assert.ok(isThere(host), text);
  }
  fs.writeFileSync(journal, '{"verb":"create","templates":["image-bbbbbbbbbbbb"]}');
  await returnTemplate(host, fresh);
  assert.ok(!isThere(host));
});

test('one stays, too, while a VM does not say what it is made from', async (t) => {
  const host = await hostOf(t);
  const files = host.paths.vm(parseVmName('web1'));
  fs.mkdirSync(files.directory, { recursive: true });
  fs.writeFileSync(files.config, '{');
  await returnTemplate(host, fresh);
  assert.ok(isThere(host));
});
