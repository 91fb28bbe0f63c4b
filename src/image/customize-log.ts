import { quote, type Report } from '../types.ts';

export interface CustomizeFacts {
  os: string | undefined;
  /** `name version` of each package of the template-packages folder. */
  packages: string[];
}

export interface CustomizeLog {
  line: (line: string) => void;
  facts: () => CustomizeFacts;
  /** What customize.sh gave as the reason of a failure. */
  failure: () => string | undefined;
}

/** Follows what the bootstrap and customize.sh print: steps are reported, facts are collected, the rest is dropped. */
export function customizeLog(report: Report): CustomizeLog {
  const packages: string[] = [];
  let os: string | undefined;
  let failure: string | undefined;
  return {
    line(text) {
      const [, kind, rest = ''] = /^@(\w+) (.*)$/.exec(text.trim()) ?? [];
      if (kind === 'step') report(clean(rest));
      else if (kind === 'package') packages.push(clean(rest));
      else if (kind === 'os') os = clean(rest);
      else if (kind === 'failed') failure = clean(rest);
      else if (/^E: /.test(text)) failure ??= clean(text.slice(3));
    },
    facts: () => ({ os, packages }),
    failure: () => failure,
  };
}

/** A guest wrote it: nothing that moves a terminal's cursor. */
function clean(text: string): string {
  return quote(text.slice(0, 200)).slice(1, -1);
}
