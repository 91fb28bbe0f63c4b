/** In order of harm. `error`: a VM or the host does not work. `warning`: it will not, or something is left over. */
export const SEVERITIES = ['error', 'warning', 'note'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Finding {
  severity: Severity;
  /** A word for programs: `disk-missing`. */
  code: string;
  /** A VM's name, a file, a device; `host` for the host itself. */
  subject: string;
  problem: string;
  /** What to do about it. */
  remedy: string;
  /** Brings things back to agreement; absent where it is uncertain what is right. */
  mend?: () => Promise<unknown>;
}

/** How a finding is reported, after the repair where one was asked for. */
export type Reported = Omit<Finding, 'mend'> & {
  /** `yes`: --repair can mend it; `done`, `failed`: it tried. */
  repair: 'no' | 'yes' | 'done' | 'failed';
  /** Why mending failed. */
  why: string | null;
};

export function byHarm(a: Finding, b: Finding): number {
  const harm = SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity);
  return harm || a.subject.localeCompare(b.subject) || a.code.localeCompare(b.code);
}

/** Findings about one subject. */
export function sayer(subject: string) {
  return (severity: Severity, code: string, problem: string, remedy: string): Finding => ({
    ...{ severity, code, subject, problem, remedy },
  });
}
