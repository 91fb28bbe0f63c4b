import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { type Finished, projectRoot, Running } from '../support/program.ts';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { pluginPackages, VagrantWorld } from '../support/vagrant/world.ts';

const world = await VagrantWorld.make({ after });
/** Says at its end which files of the plugin Vagrant has loaded. */
const LOADED = 'at_exit { puts "loaded: #{$LOADED_FEATURES.grep(/vagrant.blockhost/).join(" ")}" }';
const project = world.project(
  'web',
  `${LOADED}
   config.vm.provider(:blockhost) { |b| b.memory = 1 }`,
);
const machine = world.project(
  'machine',
  `${LOADED}
   config.vm.box = "tiny"
   config.vm.synced_folder ".", "/vagrant", disabled: true
   config.vm.provider(:blockhost) { |b| b.memory = 128; b.disk = 1 }`,
);
const { deb, gem } = await pluginPackages();

/** Where Debian's Vagrant looks for plugins of packages. */
const GEMS = '/usr/share/rubygems-integration/all/gems/';

/** What only the plugin can say. */
const OURS = /blockhost\.memory: must be a number of MB, at least 64, but is 1/;

test('the gem has no dependencies, and holds code, words and documentation', async () => {
  const { stdout } = await new Running(['gem', 'spec', gem, '--ruby']).done;
  assert.doesNotMatch(stdout, /add_(runtime_)?dependency/);
  const files = await new Running(['gem', 'specification', gem, 'files']).done;
  for (const name of ['lib/vagrant-blockhost.rb', 'locales/en.yml', 'README.md'])
    assert.match(files.stdout, new RegExp(`- ${name}$`, 'm'));
});

test('the plugin loads from its gem where there are no sources', async () => {
  const { stdout, stderr } = await withoutSources('vagrant plugin list; vagrant validate');
  assert.match(stdout, /vagrant-blockhost \(\d+\.\d+\.\d+, global\)/);
  assert.match(stderr, OURS);
  assertLoadedFrom(`${world.env.VAGRANT_HOME}/gems/`, stdout);
});

test('the plugin loads from the Debian package, on top of Debian\u2019s vagrant', async () => {
  const home = path.join(world.base, 'empty-home');
  const { code, stdout, stderr } = await withoutSources(
    `dpkg -i ${deb} >/dev/null && vagrant plugin list && dpkg -L vagrant-blockhost && vagrant validate`,
    { VAGRANT_HOME: home },
  );
  assert.match(stdout, /vagrant-blockhost \(\d+\.\d+\.\d+, system\)/, stderr);
  assert.match(stdout, /^\/usr\/share\/vagrant-plugins\/plugins\.d\/vagrant-blockhost\.json$/m);
  assert.match(stdout, /^\/usr\/share\/doc\/vagrant-blockhost\/examples\/multi\/Vagrantfile$/m);
  assert.equal(code, 1);
  assert.match(stderr, OURS);
  assertLoadedFrom(GEMS, stdout);
});

test('with that package alone a machine comes up, and goes again', async () => {
  const box = await libvirtV1Box(world.base);
  const { code, stdout, stderr } = await withoutSources(
    `set -e
     cd ${machine}
     dpkg -i ${deb} >/dev/null
     vagrant box add tiny ${box}
     vagrant up
     vagrant ssh -c 'echo from the guest'
     vagrant destroy -f`,
    { VAGRANT_HOME: path.join(world.base, 'second-home') },
  );
  assert.equal(code, 0, `${stdout}${stderr}`);
  assert.match(stdout, /^from the guest\r?$/m);
  assertLoadedFrom(GEMS, stdout);
  assert.deepEqual(await world.left(), []);
});

test('the Debian package goes without a trace', async () => {
  const { code, stdout, stderr } = await withoutSources(
    `dpkg -i ${deb} >/dev/null && dpkg -P vagrant-blockhost >/dev/null && find /usr -path "*vagrant-blockhost*"`,
  );
  assert.deepEqual([code, stdout], [0, ''], stderr);
});

test('the examples are valid', async () => {
  for (const name of ['single', 'multi']) {
    const folder = world.project(name, '');
    const source = path.join(projectRoot(), 'vagrant/examples', name, 'Vagrantfile');
    fs.copyFileSync(source, path.join(folder, 'Vagrantfile'));
    assert.match(await world.ok(folder, ['validate']), /validated successfully/);
    assert.match(await world.ok(folder, ['status']), /not created \(blockhost\)/);
  }
});

/** However often Vagrant was called: whatever it has loaded of the plugin lies there. */
function assertLoadedFrom(folder: string, stdout: string): void {
  const files = [...stdout.matchAll(/^loaded: (.*)$/gm)].flatMap(([, names = '']) =>
    names.split(' ').filter((name) => name !== ''),
  );
  assert.ok(
    files.some((file) => file.endsWith('/provider.rb')),
    stdout,
  );
  for (const file of files) {
    assert.ok(file.startsWith(folder) && file.includes('/vagrant-blockhost-'), file);
  }
}

/**
 * Runs a script in a mount namespace of its own in which the project's folder is empty, and in which what
 * is written to /usr and to dpkg's database is gone afterwards.
 */
function withoutSources(script: string, env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const layers = fs.mkdtempSync(path.join(world.base, 'layers-'));
  const overlay = (directory: string): string => {
    const name = directory.replaceAll('/', '-');
    return `mkdir -p ${layers}/${name}/up ${layers}/${name}/work
      mount -t overlay overlay -o lowerdir=${directory},upperdir=${layers}/${name}/up,workdir=${layers}/${name}/work ${directory}`;
  };
  const setup = `set -e
    mount -t tmpfs tmpfs ${layers}
    ${overlay('/usr')}
    ${overlay('/var/lib/dpkg')}
    cp -a ${projectRoot()}/dist ${layers}/dist
    mount -t tmpfs tmpfs ${projectRoot()}
    export PATH=${layers}/dist/bin:$PATH
    export VAGRANT_DEFAULT_PROVIDER=blockhost
    set +e
    cd ${project}
    ${script}`;
  const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', setup];
  return new Running(argv, { env: { ...world.env, ...env }, cwd: '/' }).done;
}
