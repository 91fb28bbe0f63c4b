// Writes a man page for every command from what it says with --help: node scripts/man.mjs DIRECTORY
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { buildProgram, COMMANDS } from './build.mjs';

const root = path.join(path.dirname(new URL(import.meta.url).pathname), '..');
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));

/** A page in the man(7) macros, from the text of --help. */
export function manPage(command, help) {
  const lines = help.replaceAll('\r', '').trimEnd().split('\n');
  const usage = (lines[0] ?? '').replace(/^Usage: /, '');
  const paragraphs = lines.slice(1).join('\n').trim();
  const first = paragraphs.split('\n')[0] ?? '';
  const summary = first.replace(/\.$/, '').replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase());
  return `${[
    `.TH ${command.toUpperCase()} 1 "" "blockhost-provisioner-qemu ${version}"`,
    '.SH NAME',
    `${escaped(command)} \\- ${escaped(summary)}`,
    '.SH SYNOPSIS',
    escaped(usage),
    '.SH DESCRIPTION',
    '.nf',
    ...paragraphs.split('\n').map(escaped),
    '.fi',
    '.SH FILES',
    '.TP',
    '/etc/blockhost\\-qemu/config.yaml',
    'Settings, all optional.',
    '.TP',
    '/var/lib/blockhost\\-qemu',
    'Templates and VMs.',
    '.SH SEE ALSO',
    command === 'blockhost-qemu' ? 'blockhost\\-vm\\-create(1)' : 'blockhost\\-qemu(1)',
  ].join('\n')}\n`;
}

/** A leading dot or quote would be a request, a bare dash becomes a typographic one. */
function escaped(line) {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
}

async function writePages(directory) {
  await buildProgram();
  fs.mkdirSync(directory, { recursive: true });
  for (const command of COMMANDS) {
    const program = path.join(root, 'dist', 'bin', command);
    const help = execFileSync(program, ['--help'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 2],
    });
    fs.writeFileSync(path.join(directory, `${command}.1`), manPage(command, help));
  }
}

const [, script, directory] = process.argv;
if (script === new URL(import.meta.url).pathname) {
  if (directory === undefined) throw new Error('usage: node scripts/man.mjs DIRECTORY');
  await writePages(directory);
}
