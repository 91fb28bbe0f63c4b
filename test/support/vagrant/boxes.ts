import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { sshGuest } from '../tiny-guest/ssh-guest.ts';

/** What a box of the tiny guest needs from Vagrant: its only shell is busybox's, and its name is unknown. */
export const BOX_VAGRANTFILE = `Vagrant.configure("2") do |config|
  config.vm.guest = :linux
  config.ssh.shell = "sh"
  config.vm.provider(:libvirt) { |libvirt| libvirt.driver = "kvm" }
end
`;

/** A box as vagrant-libvirt's first format has it: one disk, named box.img. @returns its path */
export async function libvirtV1Box(folder: string): Promise<string> {
  const metadata = { provider: 'libvirt', format: 'qcow2', virtual_size: 1 };
  return await pack(folder, 'v1.box', { 'box.img': await sshGuest() }, metadata);
}

/** Its second format: the disks are listed, with names of their own. This one has two. */
export async function libvirtV2Box(folder: string): Promise<string> {
  const data = path.join(folder, 'data.qcow2');
  fs.writeFileSync(`${data}.raw`, 'data of the second disk'.padEnd(1024 * 1024));
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', `${data}.raw`, data]);
  const metadata = {
    provider: 'libvirt',
    disks: [
      { format: 'qcow2', path: 'root.qcow2', name: 'root' },
      { format: 'qcow2', path: 'data.qcow2', name: 'data' },
    ],
  };
  const images = { 'root.qcow2': await sshGuest(), 'data.qcow2': data };
  return await pack(folder, 'v2.box', images, metadata);
}

async function pack(
  folder: string,
  name: string,
  images: Record<string, string>,
  metadata: object,
): Promise<string> {
  const work = fs.mkdtempSync(path.join(folder, 'box-'));
  for (const [as, image] of Object.entries(images)) fs.copyFileSync(image, path.join(work, as));
  for (const as of Object.keys(images)) fs.chmodSync(path.join(work, as), 0o644);
  fs.writeFileSync(path.join(work, 'metadata.json'), JSON.stringify(metadata));
  fs.writeFileSync(path.join(work, 'Vagrantfile'), BOX_VAGRANTFILE);
  const box = path.join(folder, name);
  await run('tar', ['-czf', box, '-C', work, ...fs.readdirSync(work)]);
  fs.rmSync(work, { recursive: true });
  return box;
}
