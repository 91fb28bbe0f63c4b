import { run } from '../../src/host/exec.ts';

/** Makes a qcow2 of 1 MiB whose header names a file of the host's as its backing file. */
export async function makeImageBackedByPasswd(file: string): Promise<void> {
  const backing = ['-u', '-b', '/etc/passwd', '-F', 'raw'];
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...backing, file, '1M']);
}
