import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command, InvalidArgumentError } from 'commander';
import { ACTING } from '../../../src/cli/acting.ts';
import { helpText } from '../../../src/cli/help.ts';
import { LOOKING } from '../../../src/cli/looking.ts';
import { choice, numberOption, stringOption, wholeNumber } from '../../../src/cli/options.ts';
import { VERBS, verbOfCommand } from '../../../src/cli/verbs.ts';
import { InputError } from '../../../src/errors.ts';

/** Contract §1: the verbs of a provisioner, by the names others call them. */
const CONTRACT = [
  ...['create', 'destroy', 'start', 'stop', 'kill', 'status', 'list', 'metrics', 'throttle'],
  ...['gc', 'resume', 'update-gecos', 'guest-exec'],
].map((verb) => [`blockhost-vm-${verb}`, verb] as const);

test('a command is called what the contract calls it', () => {
  for (const [command, verb] of CONTRACT) assert.equal(verbOfCommand(command), verb);
  assert.equal(verbOfCommand('blockhost-build-template'), 'build-template');
  assert.equal(verbOfCommand('blockhost-provisioner-detect'), 'detect');
});

test('what is no command of ours stands for no verb', () => {
  for (const name of ['blockhost-qemu', 'blockhost-vm-', 'blockhost-vm-constructor', 'create', ''])
    assert.equal(verbOfCommand(name), undefined, name);
});

test('every verb says in help what it does, in the words of the list, and has its page', async () => {
  const help = helpText();
  for (const [name, { summary, hidden }] of Object.entries(VERBS)) {
    assert.equal(help.includes(`  ${name.padEnd(16)}${summary}`), hidden !== true, name);
    assert.match(summary, /^[a-z].*[^.]$/, name);
    const { verb } = (await { ...LOOKING, ...ACTING }[name]?.()) ?? {};
    assert.ok(verb, `${name} is in neither list`);
    assert.notEqual(Object.hasOwn(LOOKING, name), Object.hasOwn(ACTING, name), name);
    const command = new Command(name).description(verb.summary);
    verb.declare(command);
    const page = command.helpInformation().replaceAll(/\s+/g, ' ');
    assert.ok(page.includes(verb.summary) && page.includes('Usage:'), name);
    for (const option of command.options) assert.ok(option.description.length > 3, option.flags);
  }
});

test('numbers on the command line are whole and written in digits', () => {
  assert.equal(wholeNumber('0'), 0);
  assert.equal(wholeNumber('999999999'), 999_999_999);
  for (const text of ['', '-1', '+1', '1.0', '1e3', '0x10', ' 1', '1 ', '1234567890', '١'])
    assert.throws(() => wholeNumber(text), InvalidArgumentError, JSON.stringify(text));
});

test('options are taken for what they are, and words from a list only', () => {
  const options = { name: 'web1', count: 3, flag: true };
  assert.deepEqual(
    [stringOption(options, 'name'), stringOption(options, 'count'), stringOption(options, 'none')],
    ['web1', undefined, undefined],
  );
  assert.deepEqual([numberOption(options, 'count'), numberOption(options, 'flag')], [3, undefined]);
  assert.equal(choice('--x', 'a', ['a', 'b']), 'a');
  assert.throws(() => choice('--x', 'c\n', ['a', 'b']), {
    name: InputError.name,
    message: '--x "c\\n" is not known',
  });
});
