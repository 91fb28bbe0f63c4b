/**
 * QEMU's run state (RunState, qapi/run-state.json) in three words. `paused` covers everything that waits:
 * a user's stop, an I/O error, a panicked guest, an incoming migration.
 */
export function machineState(status: string): 'running' | 'paused' | 'stopped' {
  if (status === 'running') return 'running';
  return status === 'shutdown' || status === 'postmigrate' ? 'stopped' : 'paused';
}
