// Bundles the program into one file, dist/blockhost-qemu.cjs, and links the command names to it. At its beginning is
// what loads the rest: the verbs that only look, those that change something, and each library that only some need, all
// packed. Parsing all of that at every start would cost a verb more than its work (docs/decisions/0002-one-bundle.md).
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import * as zlib from 'node:zlib';
import { build } from 'esbuild';

/** Parts of the program, like its verbs: each is there once, whoever needs it. */
const LIBRARIES = ['execa', 'systeminformation', 'yaml', 'commander'];
const root = path.join(
  import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname),
  '..',
);
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
const common = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  // Packed text is compiled as a function, which has no import() but a require().
  supported: { 'dynamic-import': false },
  define: { PROGRAM_VERSION: JSON.stringify(version) },
  absWorkingDir: root,
  logLevel: 'warning',
};

/** The text of a module and all it imports. */
async function bundled(options) {
  const { outputFiles } = await build({ ...common, ...options, write: false });
  return outputFiles[0].text;
}

/**
 * esbuild copies a module of Node's, accessor by accessor, wherever it is imported, in case that is by `default`: no
 * source of ours does that, whereas libraries do.
 */
function withoutCopies(text) {
  return text.replace(/__toESM\(require\(("node:[a-z_/]+")\),1\)/g, 'require($1)');
}

/** Behind this module lies the other part of the program, which src/cli/load.ts loads. */
const actingIsElsewhere = {
  name: 'acting-is-elsewhere',
  setup(plugin) {
    plugin.onResolve({ filter: /^\.\/acting\.ts$/ }, () => ({ path: 'acting', external: true }));
  },
};

/** The name of each part and its text: a function that is a module's scope. */
async function partTexts() {
  const program = { external: LIBRARIES, plugins: [actingIsElsewhere] };
  const texts = {
    looking: bundled({ ...program, entryPoints: ['src/cli/main.ts'] }).then(withoutCopies),
    acting: bundled({ ...program, entryPoints: ['src/cli/acting.ts'] }).then(withoutCopies),
  };
  for (const name of LIBRARIES) {
    const contents = `module.exports = require('${name}')`;
    texts[name] = bundled({ stdin: { contents, resolveDir: root } });
  }
  const parts = Object.entries(texts).map(async ([name, text]) => [
    name,
    `(function(module,exports,require){${await text}})`,
  ]);
  return await Promise.all(parts);
}

/** V8 needs half the time and memory for a text whose characters are bytes. */
function latin1(name, text) {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.toString('latin1') !== text) throw new Error(`${name} holds more than Latin-1`);
  return bytes;
}

async function programText() {
  const texts = await partTexts();
  const hash = createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
  const places = {};
  let all = '';
  for (const [name, text] of texts) {
    const packed = zlib.brotliCompressSync(latin1(name, text)).toString('base64');
    all = `${packed}${all}`;
    places[name] = { fromEnd: all.length, length: packed.length, characters: text.length };
  }
  const loader = await bundled({
    entryPoints: ['src/cli/load.ts'],
    banner: { js: `#!/usr/bin/env node\n${TOO_OLD}` },
    define: { PROGRAM_HASH: JSON.stringify(hash), PARTS: JSON.stringify(places) },
  });
  return `${withoutCopies(loader)}//${all}`;
}

/** The names the program answers to; contract §1 for the blockhost-* ones. */
export const COMMANDS = [
  'blockhost-qemu',
  ...[
    'create',
    'destroy',
    'start',
    'stop',
    'kill',
    'status',
    'list',
    'metrics',
    'throttle',
    'guest-exec',
    'update-gecos',
    'gc',
    'resume',
    'inspect',
    'explain',
    'pause',
    'configure',
    'snapshot',
    'export',
    'backup',
    'restore',
  ].map((verb) => `blockhost-vm-${verb}`),
  'blockhost-build-template',
  'blockhost-provisioner-detect',
];

/** Said by the program itself: finding out before it runs would cost every call another process. */
const TOO_OLD =
  "if(parseInt(process.versions.node)<20){console.error('blockhost-qemu: Node '+process.versions.node+' is too old; install Node 20 or later');process.exit(1)}";

/** Those with a way around the program: a shell script that reads what the resident sampler has published. */
const FAST = ['blockhost-vm-metrics', 'blockhost-vm-status'];

export async function buildProgram() {
  const dist = path.join(root, 'dist');
  const file = path.join(dist, 'blockhost-qemu.cjs');
  fs.mkdirSync(path.join(dist, 'bin'), { recursive: true });
  fs.writeFileSync(file, await programText());
  fs.chmodSync(file, 0o755);
  execFileSync(process.execPath, [file, '--write-code-cache'], { stdio: 'ignore' });
  fs.cpSync(path.join(root, 'python', 'store_helper'), path.join(dist, 'store_helper'), {
    recursive: true,
  });
  for (const name of COMMANDS) {
    const link = path.join(dist, 'bin', name);
    fs.rmSync(link, { force: true });
    if (FAST.includes(name)) fs.copyFileSync(path.join(root, 'bin', name), link);
    else fs.symlinkSync('../blockhost-qemu.cjs', link);
  }
  return file;
}

if (process.argv[1] === new URL(import.meta.url).pathname) await buildProgram();
