/** One archive of the host's apt configuration; deb822 stanzas with several URIs and suites give several. */
export interface AptSource {
  uri: string;
  suite: string;
  components: string[];
  architectures: string[];
  /** Path of the keyring it must be signed with; undefined: those apt trusts in general, or a key given in place. */
  signedBy: string | undefined;
  trusted: boolean;
}

/** Reads one file of /etc/apt: `*.sources` is deb822, anything else the one-line format (sources.list(5)). */
export function parseAptSources(fileName: string, text: string): AptSource[] {
  return fileName.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text);
}

function parseOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const entry = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (entry === null) return [];
    const [, optionText = '', uri = '', suite = '', components = ''] = entry;
    const options = new Map(
      words(optionText).map((word): [string, string] => {
        const [key = '', value = ''] = word.split(/[+-]?=(.*)/s);
        return [key.toLowerCase(), value];
      }),
    );
    return [
      {
        uri,
        suite,
        components: words(components),
        architectures: (options.get('arch') ?? '').split(',').filter(Boolean),
        signedBy: keyringPath(options.get('signed-by')),
        trusted: options.get('trusted') === 'yes',
      },
    ];
  });
}

function parseDeb822(text: string): AptSource[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = parseFields(stanza);
    const field = (name: string): string => fields.get(name) ?? '';
    if (!words(field('types')).includes('deb') || /^(no|false|0|off)$/i.test(field('enabled')))
      return [];
    const rest = {
      components: words(field('components')),
      architectures: words(field('architectures')),
      signedBy: keyringPath(fields.get('signed-by')),
      trusted: field('trusted') === 'yes',
    };
    return words(field('uris')).flatMap((uri) =>
      words(field('suites')).map((suite) => ({ uri, suite, ...rest })),
    );
  });
}

function parseFields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let last = '';
  for (const line of stanza.split('\n')) {
    if (line.startsWith('#')) continue;
    const field = /^([A-Za-z0-9-]+):(.*)$/.exec(line);
    if (field !== null) {
      last = (field[1] ?? '').toLowerCase();
      fields.set(last, (field[2] ?? '').trim());
    } else if (/^\s/.test(line) && last !== '') {
      fields.set(last, `${fields.get(last)}\n${line.trim()}`.trim());
    }
  }
  return fields;
}

/** Signed-By may also hold fingerprints, or a whole key in place. */
function keyringPath(value: string | undefined): string | undefined {
  return value !== undefined && /^\/\S+$/.test(value) ? value : undefined;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}
