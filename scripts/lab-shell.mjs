// A shell, or a command with its arguments, in a lab host that is gone afterwards (docs/lab.md).
// usage: node scripts/lab-shell.mjs [COMMAND [ARGUMENT ...]]
import { loadBundled } from './load-bundled.mjs';

const { shell } = await loadBundled('test/lab/host/shell.ts', 'lab-shell.mjs');
process.exitCode = await shell(process.argv.slice(2));
