import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError } from '../errors.ts';
import { readFileIfExists } from '../host/files.ts';
import { type AptSource, parseAptSources } from './apt-sources.ts';

export const SUITES = { bookworm: 'debian-12', trixie: 'debian-13' } as const;
export type Suite = keyof typeof SUITES;

export interface DebianMirrors {
  /** Lines for sources.list. */
  lines: string[];
  uris: string[];
  /** Keyrings the lines name. */
  keyrings: string[];
}

/** The suite of the host when it is one of ours, else the older one. */
export function defaultSuite(etc = '/etc'): Suite {
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(
    readFileIfExists(path.join(etc, 'os-release')) ?? '',
  )?.[1];
  return codename !== undefined && codename in SUITES ? (codename as Suite) : 'bookworm';
}

/** All sources apt on this host is set up with. */
export function hostSources(etc = '/etc'): AptSource[] {
  const folder = path.join(etc, 'apt/sources.list.d');
  const parts = fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  return [
    path.join(etc, 'apt/sources.list'),
    ...parts.filter((n) => /\.(list|sources)$/.test(n)).map((n) => path.join(folder, n)),
  ].flatMap((file) => parseAptSources(file, readFileIfExists(file) ?? ''));
}

/**
 * What of the host's sources is Debian itself, rewritten for `suite`: the mirrors near this host also
 * serve its guests. Other people's archives are left out.
 */
export function debianMirrors(sources: readonly AptSource[], suite: Suite): DebianMirrors {
  const found = sources.filter(isDebian).flatMap((source) => {
    const kind = KINDS.find((k) => k.pattern.test(source.suite));
    return kind === undefined ? [] : [{ source, suite: `${suite}${kind.suffix}` }];
  });
  if (!found.some((f) => f.suite === suite)) {
    throw new InputError('the apt sources of this host name no mirror of Debian', {
      hint: 'add one to /etc/apt/sources.list, or use --cloud-image',
    });
  }
  const lines = found.map(({ source, suite: name }) => {
    const options = [
      ...(source.signedBy === undefined ? [] : [`signed-by=${source.signedBy}`]),
      ...(source.trusted ? ['trusted=yes'] : []),
    ];
    const bracket = options.length === 0 ? '' : `[${options.join(' ')}] `;
    return `deb ${bracket}${source.uri} ${name} ${source.components.filter(isComponent).join(' ')}`;
  });
  const signed = found.flatMap((f) => f.source.signedBy ?? []);
  return {
    lines: [...new Set(lines)],
    uris: [...new Set(found.map((f) => f.source.uri))],
    keyrings: [...new Set(signed)],
  };
}

const RELEASE =
  '(bookworm|trixie|bullseye|forky|sid|stable|oldstable|oldoldstable|testing|unstable)';
const KINDS = [
  { pattern: new RegExp(`^${RELEASE}$`), suffix: '' },
  { pattern: new RegExp(`^${RELEASE}-updates$`), suffix: '-updates' },
  { pattern: new RegExp(`^${RELEASE}-security$`), suffix: '-security' },
];

/** Third parties also use Debian's suite names; their keys, components or addresses give them away. */
function isDebian(source: AptSource): boolean {
  return (
    /^(https?|mirror(\+https?|\+file)?):/.test(source.uri) &&
    /debian/i.test(source.uri) &&
    source.components.includes('main') &&
    (source.architectures.length === 0 || source.architectures.includes('amd64')) &&
    (source.signedBy === undefined || /debian-archive/.test(source.signedBy))
  );
}

function isComponent(name: string): boolean {
  return ['main', 'contrib', 'non-free', 'non-free-firmware'].includes(name);
}
