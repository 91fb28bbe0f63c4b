// The auditor as a program, for a host that is another than ours: STATE and RUN as arguments, a line a difference.
import { audit } from './audit.ts';

const [state = '', run = ''] = process.argv.slice(2);
for (const line of await audit({ state, run })) process.stdout.write(`${line}\n`);
