import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../../src/errors.ts';
import { parseAptSources } from '../../../src/image/apt-sources.ts';
import { debianMirrors } from '../../../src/image/debian-mirrors.ts';

const deb822 = `
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
`;

const oneLine = `
# deb http://commented.example/debian bookworm main
deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm main # why
deb-src http://mirror.example/debian bookworm main
deb [ trusted=yes ] http://local.example/debian/ bookworm-security main
deb cdrom:[Debian]/ bookworm main
deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.example/linux/debian bookworm stable
deb [signed-by=/etc/apt/keyrings/other.gpg] https://other.example/debian bookworm main
deb https://apt.example.org bookworm main
deb http://mirror.example/debian bookworm-backports main
`;

test('deb822 stanzas give an archive for each address and suite; disabled ones and source code none', () => {
  const sources = parseAptSources('debian.sources', deb822);
  assert.deepEqual(
    sources.map((s) => `${s.uri} ${s.suite} ${s.components.join(',')} ${s.signedBy ?? '-'}`),
    [
      'http://mirror.example/debian bookworm main,contrib /usr/share/keyrings/debian-archive-keyring.gpg',
      'http://mirror.example/debian bookworm-updates main,contrib /usr/share/keyrings/debian-archive-keyring.gpg',
      'http://mirror.example/debian-security bookworm-security main -',
    ],
  );
});

test('one-line entries keep their options', () => {
  const [first, second] = parseAptSources('sources.list', oneLine);
  assert.deepEqual(first, {
    uri: 'http://mirror.example/debian',
    suite: 'bookworm',
    components: ['main'],
    architectures: ['amd64', 'arm64'],
    signedBy: '/usr/share/keyrings/debian-archive-keyring.gpg',
    trusted: false,
  });
  assert.equal(second?.trusted, true);
});

test('the template gets the host’s mirrors of Debian, for its own suite, and nobody else’s', () => {
  const mirrors = debianMirrors(parseAptSources('sources.list', oneLine), 'trixie');
  assert.deepEqual(mirrors.lines, [
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian trixie main',
    'deb [trusted=yes] http://local.example/debian/ trixie-security main',
  ]);
  assert.deepEqual(mirrors.uris, ['http://mirror.example/debian', 'http://local.example/debian/']);
});

test('a host without a mirror of Debian is told what to do', () => {
  assert.throws(
    () => debianMirrors([], 'bookworm'),
    (error: unknown) => {
      assert.ok(error instanceof InputError);
      assert.match(error.hint ?? '', /--cloud-image/);
      return true;
    },
  );
});
