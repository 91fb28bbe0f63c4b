import type { Sandbox } from './sandbox.ts';

/** Whether the guest has come as far as to hear a power button, and to tell QEMU of a panic. */
export async function isUp(sandbox: Sandbox, name: string): Promise<boolean> {
  const ready = 'pidof acpid >/dev/null && grep -q pvpanic_pci /proc/modules';
  return (await sandbox.run('guest-exec', [name, ready])).code === 0;
}

/** Does something in the guest that ends the agent before it can answer. */
export function leave(sandbox: Sandbox, name: string, command: string): Promise<string> {
  const script = `setsid sh -c 'sleep 0.3; ${command}' </dev/null >/dev/null 2>&1 &`;
  return sandbox.ok('guest-exec', [name, script]);
}
