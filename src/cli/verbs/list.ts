import { Option } from 'commander';
import { messageOf } from '../../errors.ts';
import { type ListEntry, listVms } from '../../vm/list.ts';
import type { LookingVerb, Output } from '../invocation.ts';

const FORMATS = ['table', 'json', 'names'];

export const verb: LookingVerb = {
  summary: 'list all VMs with state, address and day of creation',
  declare(command) {
    command
      .addOption(
        new Option('--format <format>', 'how to print it').choices(FORMATS).default('table'),
      )
      .addHelpText('after', '\nInto a pipe the table is separated by tabs.');
  },
  async run({ options, host, out }) {
    let entries: ListEntry[] = [];
    try {
      entries = await listVms(host);
    } catch (error) {
      out.note(messageOf(error));
    }
    print(entries, options.format, out);
    return 0;
  },
  blind({ options }, out) {
    print([], options.format, out);
  },
};

function print(entries: ListEntry[], format: unknown, out: Output): void {
  if (format === 'json') out.line(JSON.stringify(entries));
  else if (format === 'names') for (const { name } of entries) out.line(name);
  else out.line(out.terminal ? aligned(entries) : tabbed(entries));
}

const HEADER = ['NAME', 'STATUS', 'IP', 'CREATED'];

function tabbed(entries: ListEntry[]): string {
  return [HEADER, ...entries.map(cells)].map((row) => row.join('\t')).join('\n');
}

const COLOUR: Record<ListEntry['status'], string> = {
  active: '\u001b[32m',
  suspended: '\u001b[33m',
  destroyed: '\u001b[2m',
  unknown: '\u001b[31m',
};

function aligned(entries: ListEntry[]): string {
  if (entries.length === 0)
    return 'There are no VMs. Create one: blockhost-qemu create NAME --apply';
  const rows = [HEADER, ...entries.map(cells)];
  const widths = HEADER.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row, index) => {
      const padded = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
      const entry = entries[index - 1];
      if (entry === undefined) return `\u001b[1m${padded.join('  ')}\u001b[0m`.trimEnd();
      const [name, status, ...rest] = padded;
      return [name, `${COLOUR[entry.status]}${status}\u001b[0m`, ...rest].join('  ').trimEnd();
    })
    .join('\n');
}

function cells({ name, status, ip, created }: ListEntry): string[] {
  return [name, status, ip === '' ? '-' : ip, created];
}
