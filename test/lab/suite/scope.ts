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

/** The VM's QEMU; undefined when none is in its scope. */
export function qemuOf(vm: string): number | undefined {
  const pids = (cgroupFile(vm, 'cgroup.procs') ?? '').split('\n').filter((pid) => pid !== '');
  const isQemu = (pid: string): boolean =>
    fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'qemu-system-x86';
  const found = pids.find(isQemu);
  return found === undefined ? undefined : Number(found);
}

/** What each thread of the VM's QEMU is at: name, state, ticks used, where it waits in the kernel; and the scope's CPU time. */
export function tellThreads(vm: string): string {
  const tasks = `/proc/${qemuOf(vm)}/task`;
  const read = (file: string): string => fs.readFileSync(`${tasks}/${file}`, 'utf8').trim();
  try {
    const lines = fs.readdirSync(tasks).map((id) => {
      const [state = '', ...fields] = read(`${id}/stat`)
        .replace(/^.*\) /, '')
        .split(' ');
      const [user = '', system = ''] = fields.slice(10);
      return `${read(`${id}/comm`)} ${state} ${user}+${system} ${read(`${id}/wchan`)}`;
    });
    return [...lines, cgroupFile(vm, 'cpu.max'), cgroupFile(vm, 'cpu.stat')].join('\n');
  } catch (error) {
    return `its threads cannot be told: ${String(error)}`;
  }
}
