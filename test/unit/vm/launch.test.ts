import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { ProvisionerError } from '../../../src/errors.ts';
import { Paths } from '../../../src/host/paths.ts';
import { parseVmName } from '../../../src/types.ts';
import { launchQemu } from '../../../src/vm/launch.ts';
import { loggersPrefix } from '../../../src/vm/loggers.ts';
import { openQemuLog } from '../../../src/vm/qemu-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

async function failure(t: TestContext, ...argv: string[]): Promise<Error> {
  const directory = temporaryDirectory(t);
  const name = parseVmName('web1');
  const files = new Paths(directory, path.join(directory, 'run')).vm(name);
  fs.mkdirSync(files.directory, { recursive: true });
  const stdin = fs.openSync('/dev/null', 'r');
  t.after(() => fs.closeSync(stdin));
  const log = await openQemuLog(files, undefined);
  t.after(() => log.release());
  const { signal } = new AbortController();
  const command = [...loggersPrefix(files), ...argv];
  const launched = launchQemu({
    name,
    argv: command,
    stdin,
    log,
    files,
    signal,
    onProcess: () => {},
  });
  return await launched.then(
    () => assert.fail('it started'),
    (error: Error) => error,
  );
}

test("QEMU's last words are the message, all of them the detail", async (t) => {
  const script =
    'printf "%s\\n" "one" "2026-01-01T00:00:00.1Z /usr/bin/qemu-system-x86_64: no such disk" >&2; exit 1';
  const error = await failure(t, 'sh', '-c', script);
  assert.equal(error.message, 'VM web1: QEMU did not start: no such disk');
  assert.ok(error instanceof ProvisionerError);
  assert.equal(error.detail, 'one\nno such disk');
});

test('one that says nothing is told by how it ended', async (t) => {
  const { message } = await failure(t, 'sh', '-c', 'exit 3');
  assert.equal(message, 'VM web1: QEMU did not start: it ended (exit code 3) and said nothing');
  const killed = await failure(t, 'sh', '-c', 'kill -KILL $$');
  assert.match(killed.message, /it ended \(SIGKILL\) and said nothing/);
});

test('a binary that is not there is named', async (t) => {
  const { message } = await failure(t, '/opt/none');
  assert.match(message, /^VM web1: QEMU did not start: \/opt\/none: not found$/i);
});
