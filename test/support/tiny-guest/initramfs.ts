import * as fs from 'node:fs';
import * as path from 'node:path';
import { ProvisionerError } from '../../../src/errors.ts';
import { run } from '../../../src/host/exec.ts';
import { copyModules, EARLY, LATE } from './modules.ts';

/**
 * Makes the guest's initramfs, which stays its root: busybox, the agent and its libraries, modules, and the
 * scripts of ./rootfs. LZ4, which an emulated CPU unpacks in less time than GRUB takes to read what it saves.
 */
export async function makeInitramfs(debs: string, scripts: string, file: string): Promise<void> {
  const tree = `${file}.tree`;
  for (const name of [
    'bin',
    'lib',
    'dev',
    'proc',
    'sys',
    'run',
    'tmp',
    'data',
    'mnt',
    'root',
    'var',
  ])
    fs.mkdirSync(path.join(tree, name), { recursive: true });
  for (const name of ['usr/bin', 'usr/sbin', 'usr/share', 'etc', 'sbin'])
    fs.mkdirSync(path.join(tree, name), { recursive: true });
  fs.symlinkSync('lib', path.join(tree, 'lib64'));
  fs.symlinkSync('/run', path.join(tree, 'var/run'));

  const busybox = [path.join(debs, 'bin/busybox'), path.join(debs, 'usr/bin/busybox')].find(
    (name) => fs.existsSync(name),
  );
  if (busybox === undefined) throw new ProvisionerError('busybox-static brings no busybox');
  fs.copyFileSync(busybox, path.join(tree, 'bin/busybox'));
  for (const applet of (await run(busybox, ['--list'])).stdout.split('\n'))
    if (applet !== 'busybox') fs.symlinkSync('busybox', path.join(tree, 'bin', applet));
  await copyAgent(debs, tree);

  const modules = path.join(tree, 'lib/modules');
  fs.mkdirSync(modules);
  const [kernel = ''] = fs.readdirSync(modulesDirectory(debs));
  const libModules = path.join(modulesDirectory(debs), kernel);
  const early = await copyModules(EARLY, libModules, modules);
  const all = await copyModules([...EARLY, ...LATE], libModules, modules);
  fs.writeFileSync(path.join(modules, 'early'), `${early.join('\n')}\n`);
  const late = all.filter((name) => !early.includes(name));
  fs.writeFileSync(path.join(modules, 'late'), `${late.join('\n')}\n`);

  fs.cpSync(scripts, tree, { recursive: true, verbatimSymlinks: true });
  fs.writeFileSync(path.join(tree, 'etc/os-release'), OS_RELEASE);
  await archive(tree, file);
  fs.rmSync(tree, { recursive: true });
}

const OS_RELEASE = 'NAME="Tiny guest"\nID=tiny\nVERSION_ID=1\nPRETTY_NAME="Tiny guest 1"\n';

function modulesDirectory(debs: string): string {
  const usr = path.join(debs, 'usr/lib/modules');
  return fs.existsSync(usr) ? usr : path.join(debs, 'lib/modules');
}

async function copyAgent(debs: string, tree: string): Promise<void> {
  const agent = path.join(debs, 'usr/sbin/qemu-ga');
  fs.copyFileSync(agent, path.join(tree, 'usr/sbin/qemu-ga'));
  await copyLibraries(debs, agent, path.join(tree, 'lib'));
}

/** The dynamic loader, and the libraries that it says a program loads. */
export async function copyLibraries(debs: string, program: string, target: string): Promise<void> {
  const directories = ['lib', 'usr/lib'].map((lib) => path.join(debs, lib, 'x86_64-linux-gnu'));
  const loader = directories
    .map((directory) => path.join(directory, 'ld-linux-x86-64.so.2'))
    .find((name) => fs.existsSync(name));
  if (loader === undefined) throw new ProvisionerError('libc6 brings no dynamic loader');
  fs.copyFileSync(loader, path.join(target, 'ld-linux-x86-64.so.2'));
  const search = ['--inhibit-cache', '--library-path', directories.join(':')];
  const { stdout } = await run(loader, [...search, '--list', program]);
  for (const [, library = ''] of stdout.matchAll(/=> (\S+) \(/g)) {
    if (!library.startsWith(debs))
      throw new ProvisionerError(`${program} loads ${library}, which is in none of its packages`);
    fs.copyFileSync(library, path.join(target, path.basename(library)));
  }
}

async function archive(tree: string, file: string): Promise<void> {
  await run('chmod', ['-R', 'a+rX,u+w', tree]);
  const { stdout } = await run('find', ['.', '-mindepth', '1'], { cwd: tree });
  const names = stdout.split('\n').sort().join('\n');
  const options = ['--quiet', '--create', '--format=newc', '--reproducible', '--owner=0:0'];
  await run('cpio', [...options, `--file=${file}.cpio`], { cwd: tree, input: `${names}\n` });
  await run('lz4', ['-q', '-l', '-9', `${file}.cpio`, file]);
  fs.rmSync(`${file}.cpio`);
}
