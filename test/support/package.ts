import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { projectRoot } from './program.ts';

/**
 * Builds the Debian package from a copy of this tree: the build begins by removing build/, where the tests
 * themselves lie. @returns the path of the .deb
 */
export function buildPackage(directory: string, version?: string): string {
  const source = path.join(directory, 'source');
  const files = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: projectRoot(),
    encoding: 'utf8',
  });
  for (const file of new Set(files.split('\0'))) {
    if (file === '' || !fs.existsSync(path.join(projectRoot(), file))) continue;
    fs.cpSync(path.join(projectRoot(), file), path.join(source, file));
  }
  fs.symlinkSync(
    fs.realpathSync(path.join(projectRoot(), 'node_modules')),
    path.join(source, 'node_modules'),
  );
  if (version !== undefined) setVersion(source, version);
  execFileSync('./build-deb.sh', { cwd: source, stdio: ['ignore', 'ignore', 'pipe'] });
  const built = fs.readdirSync(path.join(source, 'build')).filter((name) => name.endsWith('.deb'));
  if (built.length !== 1) throw new Error(`build/ holds ${built.join(', ') || 'no package'}`);
  return path.join(source, 'build', built[0] ?? '');
}

function setVersion(source: string, version: string): void {
  const changelog = path.join(source, 'debian', 'changelog');
  const text = fs.readFileSync(changelog, 'utf8');
  fs.writeFileSync(changelog, text.replace(/\([^)]+\)/, `(${version})`));
}
