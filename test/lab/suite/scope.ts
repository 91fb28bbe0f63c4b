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

/** What each thread of the VM's QEMU is at: name, state, ticks used, where it waits in the kernel; and the scope's CPU time. */
export function tellThreads(vm: string): string {
  const tasks = `/proc/${qemuOf(vm)}/task`;
  const read = (file: string): string => fs.readFileSync(`${tasks}/${file}`, 'utf8').trim();
  const lines = fs.readdirSync(tasks).map((id) => {
    const [state = '', ...fields] = read(`${id}/stat`)
      .replace(/^.*\) /, '')
      .split(' ');
    const [user = '', system = ''] = fields.slice(10);
    return `${read(`${id}/comm`)} ${state} ${user}+${system} ${read(`${id}/wchan`)}`;
  });
  return [...lines, cgroupFile(vm, 'cpu.max') ?? '', cgroupFile(vm, 'cpu.stat') ?? ''].join('\n');
}

/** The VM's QEMU. */
export function qemuOf(vm: string): number {
  const qemu = processesOf(vm).find(({ command }) => command === 'qemu-system-x86');
  if (qemu === undefined) throw new Error(`no QEMU runs in the scope of ${vm}`);
  return qemu.pid;
}
