import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../../../src/host/config.ts';
import { withDbYaml } from '../../../src/store/blockhost-settings.ts';
import { chooseStore } from '../../../src/store/choose.ts';
import { HelperClient } from '../../../src/store/helper-client.ts';
import { blockhostFiles, helperCommand } from '../../support/blockhost/host.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

test('bridge, pool and days come from db.yaml, dotted bounds and all', async (t) => {
  const content = await settingsOf(t, {
    bridge: 'br0',
    gc_grace_days: 3,
    ip_pool: {
      network: '192.0.2.0/24',
      start: '192.0.2.50',
      end: '192.0.2.60',
      gateway: '192.0.2.1',
    },
  });
  const { settings, given } = await configOf(t, {});
  const merged = withDbYaml(settings, given, content);
  assert.equal(merged.network, 'bridge');
  assert.equal(merged.bridge, 'br0');
  assert.equal(merged.gc_grace_days, 3);
  assert.equal(merged.default_expiry_days, 30);
  assert.equal(merged.ip_pool?.start, 50);
  assert.equal(merged.ip_pool?.end, 60);
});

test('our own configuration file has the last word', async (t) => {
  const content = await settingsOf(t, { bridge: 'br0', gc_grace_days: 3 });
  const { settings, given } = await configOf(t, { network: 'user', gc_grace_days: 1 });
  const merged = withDbYaml(settings, given, content);
  assert.equal(merged.network, 'user');
  assert.equal(merged.gc_grace_days, 1);
  assert.equal(merged.bridge, 'br0');
});

test('a wrong key of db.yaml is named', async (t) => {
  const content = await settingsOf(t, { bridge: 'a bridge' });
  const { settings, given } = await configOf(t, {});
  assert.throws(() => withDbYaml(settings, given, content), /db\.yaml: bridge should be/);
});

test('the records are BlockHost’s only where it is installed and nobody moved the state away', () => {
  const nowhere = { store: 'auto', blockhost_dir: '/nowhere' } as const;
  assert.equal(chooseStore(nowhere, {}), 'embedded');
  assert.equal(chooseStore({ ...nowhere, store: 'blockhost' }, {}), 'blockhost');
  assert.equal(
    chooseStore(
      { store: 'auto', blockhost_dir: '/etc/blockhost' },
      { BLOCKHOST_QEMU_STATE_DIR: '/x' },
    ),
    'embedded',
  );
});

async function settingsOf(t: TestContext, dbYaml: Record<string, unknown>): Promise<unknown> {
  const helper = new HelperClient(helperCommand(blockhostFiles(t, dbYaml)));
  t.after(() => helper.close());
  return await helper.call('settings', {});
}

async function configOf(t: TestContext, content: Record<string, unknown>) {
  const file = path.join(temporaryDirectory(t), 'config.yaml');
  fs.writeFileSync(file, JSON.stringify(content));
  return await loadConfig({ BLOCKHOST_QEMU_CONFIG: file, BLOCKHOST_QEMU_STATE_DIR: '/tmp/none' });
}
