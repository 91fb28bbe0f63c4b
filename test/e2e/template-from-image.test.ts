import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../src/host/exec.ts';
import { Paths } from '../../src/host/paths.ts';
import { buildTemplate } from '../../src/image/build-template.ts';
import { currentTemplate, listTemplates } from '../../src/image/template-store.ts';
import { debianTemplate } from '../support/debian-template.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'from-image-'));
after(() => fs.rmSync(folder, { recursive: true }));
const paths = new Paths(path.join(folder, 'state'), path.join(folder, 'run'));

test('a cloud image with the right checksum is customised by booting it, and gets the packages', async () => {
  const { template: base } = await debianTemplate();
  const lines: string[] = [];
  const template = await buildTemplate(
    {
      cloudImage: base.image,
      checksum: `sha256:${base.manifest.sha256}`,
      packagesDir: await makePackage(),
      requirePackages: true,
    },
    {
      paths,
      report: (line) => lines.push(line),
      accel: 'tcg',
      qemuBinary: 'qemu-system-x86_64',
    },
  );
  assert.deepEqual(template.manifest.packages, ['blockhost-e2e 1.2.3']);
  assert.equal(template.manifest.os, base.manifest.os);
  assert.notEqual(template.id, base.id);
  assert.equal(currentTemplate(paths).id, template.id);
  assert.ok(
    lines.includes('installing 1 packages of the template-packages folder'),
    lines.join('\n'),
  );
  assert.equal(listTemplates(paths).length, 1);
  assert.deepEqual(fs.readdirSync(paths.staging), []);
});

async function makePackage(): Promise<string> {
  const tree = path.join(folder, 'tree');
  const packages = path.join(folder, 'packages');
  fs.mkdirSync(path.join(tree, 'DEBIAN'), { recursive: true });
  fs.mkdirSync(packages);
  const fields = ['Package: blockhost-e2e', 'Version: 1.2.3', 'Architecture: all'];
  fs.writeFileSync(
    path.join(tree, 'DEBIAN/control'),
    [...fields, 'Maintainer: Test <test@example.org>', 'Description: a test', ''].join('\n'),
  );
  await run('dpkg-deb', ['--root-owner-group', '--build', tree, packages]);
  return packages;
}
