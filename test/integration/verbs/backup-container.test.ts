import assert from 'node:assert/strict';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../../src/host/exec.ts';
import { programFile } from '../../support/program.ts';
import { Sandbox } from '../../support/sandbox.ts';

const sandbox = await Sandbox.make({ after }, { accel: 'tcg' });
const base = path.dirname(sandbox.state);
/** Nothing to boot: it costs nothing. */
const blank = path.join(base, 'blank.qcow2');
await run('qemu-img', ['create', '-q', '-f', 'qcow2', blank, '1M']);

/** A process namespace of its own, which the shell's end ends. */
const CONTAINER = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c'];
const SCRIPT = `set -e
begin() {
  "$BACKUP" v1 --to "$1" --rate 64 & backup=$!
  until grep -q running "$NOTE" 2>/dev/null; do kill -0 $backup; sleep 0.1; done
}
"$CREATE" v1 --image "$IMAGE" --memory 128 --disk 1 --apply --no-wait >/dev/null
begin "$BASE/whole"
echo "while it goes on: $("$GC" --execute)"
echo "explained: $("$EXPLAIN" v1)"
"$SNAPSHOT" create v1 s1 2>"$BASE/said" || echo "snapshot: $(cat "$BASE/said")"
wait $backup
begin "$BASE/killed"
kill -9 $backup
wait $backup || echo "killed: $("$GC" --execute)"
ls "$NOTE" || :
`;

test('in a container a backup that goes on is left alone, and a killed one is cleared away', async () => {
  const programs = ['backup', 'create', 'gc', 'explain', 'snapshot'].map((verb) => [
    verb.toUpperCase(),
    programFile(`blockhost-vm-${verb}`),
  ]);
  const env = {
    ...Object.fromEntries(programs),
    ...{ IMAGE: blank, BASE: base, NOTE: path.join(sandbox.files('v1').fleece, 'note.json') },
  };
  const prefix = [...CONTAINER, SCRIPT];
  const { code, stdout, stderr } = await sandbox.begin('list', [], { prefix, env }).done;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^while it goes on: nothing to collect$/m);
  assert.doesNotMatch(stdout, /explained: .*died half-way/s);
  assert.match(stdout, /^snapshot: .*VM v1 is being backed up/m);
  assert.match(stdout, /^VM v1 is backed up to /m);
  assert.match(stdout, /^killed: VM v1 is tidied up/m);
  assert.match(stderr, /note\.json.*No such file/);
  assert.equal(stderr.match(/an earlier backup of v1 was interrupted/g)?.length, 1, stderr);
});
