// Bundles the program into one file, dist/blockhost-qemu.cjs, and links the command names to it. Libraries that only
// some verbs need, and the verbs that change something, are packed inside it and compiled when first used: parsing
// all of that at every start would cost those that only look more than their work (docs/decisions/0002-one-bundle.md).
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import * as zlib from 'node:zlib';
import { build } from 'esbuild';

const LAZY = ['execa', 'systeminformation', 'yaml', 'commander'];
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

function pack(text) {
  return zlib.brotliCompressSync(text).toString('base64');
}

export function lazyLibraries() {
  return {
    name: 'lazy-libraries',
    setup(plugin) {
      const filter = new RegExp(`^(${LAZY.join('|')})$`);
      plugin.onResolve({ filter }, ({ path: name }) => ({ path: name, namespace: 'lazy' }));
      plugin.onLoad({ filter: /.*/, namespace: 'lazy' }, async ({ path: name }) => {
        const contents = `module.exports = require('${name}')`;
        const packed = pack(await bundled({ stdin: { contents, resolveDir: root } }));
        return {
          contents: `
            const text = require('node:zlib').brotliDecompressSync(Buffer.from('${packed}', 'base64')).toString();
            require('node:vm').compileFunction(text, ['module', 'exports', 'require'], { filename: '${name}' })(module, exports, require);`,
          loader: 'js',
          resolveDir: root,
        };
      });
    },
  };
}

/** Behind this module lies the other part of the program, which src/cli/load.ts loads. */
const actingIsElsewhere = {
  name: 'acting-is-elsewhere',
  setup(plugin) {
    plugin.onResolve({ filter: /^\.\/acting\.ts$/ }, () => ({
      path: 'blockhost-qemu/acting',
      external: true,
    }));
  },
};

/** Numbers that are known when the text around them is, and are as long as these. */
const LATER = ['looking-at', 'looking-ln'];

async function programText() {
  const parts = await Promise.all([
    bundled({
      entryPoints: ['src/cli/main.ts'],
      plugins: [lazyLibraries(), actingIsElsewhere],
    }),
    bundled({ entryPoints: ['src/cli/acting.ts'], plugins: [lazyLibraries()] }),
  ]);
  const [looking, acting] = parts.map(
    (text) => `(function(module,exports,require){${withoutCopies(text)}})`,
  );
  const hash = createHash('sha256').update(looking).update(acting).digest('hex').slice(0, 16);
  const loader = await bundled({
    entryPoints: ['src/cli/load.ts'],
    banner: { js: `#!/usr/bin/env node\n${TOO_OLD}` },
    define: {
      PROGRAM_HASH: JSON.stringify(hash),
      LOOKING_AT: JSON.stringify(LATER[0]),
      LOOKING_LENGTH: JSON.stringify(LATER[1]),
    },
  });
  const before = `${withoutCopies(loader)}/*\u0001`;
  const text = looking.replaceAll('*/', '*\u0001/');
  const numbers = [before.length, text.length].map((number) => String(number).padStart(10, '0'));
  const filled = LATER.reduce((all, later, i) => all.replaceAll(later, numbers[i]), before);
  return `${filled}${text}\u0001*/\n//${pack(acting)}`;
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
