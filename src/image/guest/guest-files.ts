import { agentFiles } from './agent-files.ts';
import { bootFiles } from './boot-files.ts';
import { cloudInitFiles } from './cloud-init-files.ts';
import type { GuestFile } from './guest-file.ts';
import { unitFiles } from './unit-files.ts';

/** All files the template adds to those of its packages. */
export function guestFiles(tune: boolean): GuestFile[] {
  if (!tune) return bootFiles(false);
  return [...bootFiles(true), ...agentFiles(), ...cloudInitFiles(), ...unitFiles()];
}
