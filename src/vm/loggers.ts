import type { VmFiles } from '../host/paths.ts';
import { CONSOLE_LOG_BYTES, CONSOLE_LOGGER } from './console-log.ts';
import { QEMU_LOG_BYTES } from './qemu-log.ts';

/**
 * Leaves the loggers behind as children and executes the rest of argv in its own place. One reads the console
 * from what was stdin; the other keeps the beginning of what QEMU itself says, from descriptor 4 (3 is the tap's), and
 * when it has enough QEMU writes to a closed pipe, which it ignores. They hold nothing else of what the command is
 * given: not a tap's descriptor, not each other's pipes. Sockets that QEMU makes are open to their group (umask).
 */
const BESIDE = `
umask 007
exec 5<&0 </dev/null
sh -c "$1" blockhost-console-log "$2" "$3" "$4" <&5 3<&- 4<&- 5<&- >/dev/null 2>&1 &
(trap '' TERM; exec head -c "$6" <&4 >"$5" 2>/dev/null 3<&- 4<&- 5<&-) &
shift 6
exec "$@" 4<&- 5<&-`;

/**
 * argv prefix that starts the loggers beside QEMU: children of the same process, they are wherever the runner
 * has put that, and no end of the command that started them takes them away. Stdin is `ConsoleLog.reading`.
 */
export function loggersPrefix(
  files: Pick<VmFiles, 'consoleLog' | 'consoleLogOld' | 'qemuLog'>,
): string[] {
  const consoleHalves = [files.consoleLog, files.consoleLogOld, String(CONSOLE_LOG_BYTES)];
  const words = [files.qemuLog, String(QEMU_LOG_BYTES)];
  return ['sh', '-c', BESIDE, 'blockhost-vm', CONSOLE_LOGGER, ...consoleHalves, ...words];
}
