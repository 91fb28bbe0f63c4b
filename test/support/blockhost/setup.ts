import * as path from 'node:path';
import { projectRoot } from '../program.ts';

/** What one goes through: see pages/setup.py. */
export interface SetupOrder {
  /** Where the installer keeps how far it is. */
  state: string;
  refused?: Record<string, string>[];
  /** Without it the steps are tried again. */
  form?: Record<string, string>;
  /** Modules' names for places, in place of a host's own. */
  places?: Record<string, string>;
}

interface Answer {
  status: number;
  location: string | null;
  text: string;
}

export interface SetupSeen {
  stranger: Answer;
  page: Answer;
  refused: Answer[];
  accepted: Answer;
  summary: Answer;
  /** What the page showed of the template's build, one after the other. */
  progress: string[];
  config: { provisioner: Record<string, unknown> };
  steps: Record<string, { status: string; data?: unknown; error?: string | null }>;
}

/** The command line, below the project's folder as the host has it; it takes the order on stdin. */
export function setupCommand(project = projectRoot()): string[] {
  const file = 'test/support/blockhost/pages/setup.py';
  return ['/usr/bin/python3', '-B', path.join(project, file)];
}

/** Values of the form, by name. */
export function fieldsOf({ text }: Answer): Record<string, string> {
  const inputs = text.matchAll(/<input [^>]*name="(\w+)" value="([^"]*)"/g);
  return Object.fromEntries([...inputs].map(([, name, value]) => [name, value]));
}

/** What is said beside each field that is refused. */
export function complaintsOf({ text }: Answer): Record<string, string> {
  const hints = text.matchAll(/<small id="(\w+)-help" class="text-error">([^<]*)</g);
  return Object.fromEntries([...hints].map(([, name, said]) => [name, said]));
}
