import * as fs from 'node:fs';

/** The cgroup of a VM's scope. */
export function scopeOf(vm: string): string {
  return `/sys/fs/cgroup/blockhost.slice/blockhost-vm.slice/blockhost-vm-${vm}.scope`;
}

/** A file of the VM's scope; undefined when it is not there: nobody in the slice needs its controller. */
export function cgroupFile(vm: string, file: string): string | undefined {
  const full = `${scopeOf(vm)}/${file}`;
  return fs.existsSync(full) ? fs.readFileSync(full, 'utf8').trim() : undefined;
}

/** All processes in the VM's scope. */
export function processesOf(vm: string): { pid: number; command: string }[] {
  const pids = (cgroupFile(vm, 'cgroup.procs') ?? '').split('\n').filter((pid) => pid !== '');
  return pids.map((pid) => {
    const command = fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    return { pid: Number(pid), command };
  });
}

/** The VM's QEMU. */
export function qemuOf(vm: string): number {
  const qemu = processesOf(vm).find(({ command }) => command === 'qemu-system-x86');
  if (qemu === undefined) throw new Error(`no QEMU runs in the scope of ${vm}`);
  return qemu.pid;
}
