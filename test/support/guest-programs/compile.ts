import * as fs from 'node:fs';
import * as path from 'node:path';
import { run } from '../../../src/host/exec.ts';
import { projectRoot } from '../program.ts';
import { temporaryDirectory } from '../temporary.ts';

type Scope = { after(hook: () => void): void };

/** Compiles a program of this directory for the host. @returns its path */
export async function compile(
  scope: Scope,
  name: string,
  options: readonly string[] = [],
): Promise<string> {
  const program = path.join(temporaryDirectory(scope), name);
  const source = path.join(projectRoot(), `test/support/guest-programs/${name}.c`);
  await run('gcc', ['-Os', '-Wall', '-Wextra', '-Werror', ...options, '-o', program, source]);
  return program;
}

/** @returns the shell command that puts one of these programs into the guest's /run, where it stays until that reboots */
export async function installing(scope: Scope, name: string): Promise<string> {
  const text = fs.readFileSync(await compile(scope, name, BARE)).toString('base64');
  return `echo ${text} | base64 -d >/run/${name} && chmod 755 /run/${name}`;
}

/** Without a C library: see bare.h. */
const BARE = [
  ...['-s', '-static', '-no-pie', '-fno-pie'],
  ...['-nostdlib', '-fno-builtin', '-fno-stack-protector', '-fno-asynchronous-unwind-tables'],
  ...['-Wl,--build-id=none', '-Wl,-z,noseparate-code'],
];
