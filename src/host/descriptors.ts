import * as fs from 'node:fs';

const O_CLOEXEC = 0o2000000;

/**
 * Closes what the caller left open for us beyond stdio. Everything Node opens is close-on-exec, so a
 * descriptor that is not was inherited, and QEMU, which outlives us, would inherit it in turn: a
 * caller that waits for the end of a pipe would wait for the end of the VM (proc_pid_fdinfo(5)).
 * @param keep what was meant for us.
 */
export function closeInherited(keep: readonly number[] = []): void {
  for (const entry of fs.readdirSync('/proc/self/fd')) {
    const fd = Number(entry);
    const flags = fd <= 2 || keep.includes(fd) ? undefined : flagsOf(fd);
    if (flags !== undefined && (flags & O_CLOEXEC) === 0) fs.closeSync(fd);
  }
}

function flagsOf(fd: number): number | undefined {
  try {
    const text = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    const octal = /^flags:\s*([0-7]+)/m.exec(text)?.[1];
    return octal === undefined ? undefined : Number.parseInt(octal, 8);
  } catch {
    return undefined;
  }
}
