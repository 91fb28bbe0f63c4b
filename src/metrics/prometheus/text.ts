import type { Records } from '../view.ts';
import { FAMILIES } from './families.ts';

const PREFIX = 'blockhost_vm_';

/** Prometheus' text format 0.0.4. VM names need no escaping: they are letters, digits, dots, dashes, underscores. */
export function prometheusText(records: ReadonlyMap<string, Records>): string {
  const lines: string[] = [];
  let said = '';
  for (const { name, kind, help, labels, value } of FAMILIES) {
    for (const [vm, record] of records) {
      const number = value(record);
      if (number === null || !Number.isFinite(number)) continue;
      if (said !== name) {
        lines.push(`# HELP ${PREFIX}${name} ${help}`, `# TYPE ${PREFIX}${name} ${kind}`);
        said = name;
      }
      const more = labels === undefined ? '' : `,${labels}`;
      lines.push(`${PREFIX}${name}{vm="${vm}"${more}} ${number}`);
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}
