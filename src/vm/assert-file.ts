import * as fs from 'node:fs';
import { ProvisionerError } from '../errors.ts';

/** @throws ProvisionerError with the name and path of a file of a VM's that is missing. */
export function assertFile(name: string, what: string, file: string): void {
  if (fs.existsSync(file)) return;
  throw new ProvisionerError(`VM ${name}: ${what} is missing (${file})`, {
    hint: 'restore the file, or destroy the VM',
  });
}
