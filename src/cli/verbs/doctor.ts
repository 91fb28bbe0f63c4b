import { examine } from '../../vm/doctor/doctor.ts';
import { type Reported, SEVERITIES } from '../../vm/doctor/finding.ts';
import type { ActingVerb } from '../invocation.ts';

export const verb: ActingVerb = {
  summary: 'find what is wrong with this host and its VMs, and repair it',
  needsSettings: true,
  declare(command) {
    command
      .option('--repair', 'mend what can be mended without doubt')
      .option('--deep', 'read every template through as well, which takes its time')
      .option('--json', 'print JSON for programs')
      .addHelpText(
        'after',
        `
One line for each finding, the worst first, with what to do. Nothing that is uncertain is ever removed: a disk only
goes with destroy of its own VM.

Exit code by the worst that is left: 0 nothing but notes, 1 warnings, 2 errors.

Examples:
  blockhost-qemu doctor
  blockhost-qemu doctor --repair`,
      );
  },
  async run({ options, host, out }) {
    const findings = await examine(host, {
      repair: options.repair === true,
      deep: options.deep === true,
    });
    const code = exitCode(findings);
    if (options.json === true) out.line(JSON.stringify({ exit_code: code, findings }));
    else if (findings.length === 0) out.line('all is well');
    else for (const finding of findings) out.line(sentence(finding));
    return code;
  },
};

function exitCode(findings: readonly Reported[]): number {
  const left = new Set(findings.filter(({ repair }) => repair !== 'done').map((f) => f.severity));
  return left.has('error') ? 2 : left.has('warning') ? 1 : 0;
}

const WIDTH = Math.max(...SEVERITIES.map(({ length }) => length));

function sentence({ severity, subject, problem, remedy, repair, why }: Reported): string {
  const head = `${(repair === 'done' ? 'mended' : severity).padEnd(WIDTH)}  ${subject}: ${problem}`;
  if (repair === 'done') return oneLine(head);
  if (repair === 'failed') return oneLine(`${head}; repairing it failed: ${why}`);
  return oneLine(`${head}; ${repair === 'yes' ? `doctor --repair, or: ${remedy}` : remedy}`);
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
