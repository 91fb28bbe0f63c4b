import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOutput, SENTINEL } from '../../../src/cli/create-output.ts';
import { parseVmName } from '../../../src/types.ts';
import type { CreateResult } from '../../../src/vm/create.ts';
import { ENGINES } from '../../support/blockhost/engine-parsers.ts';

const json = (name: string): string => JSON.stringify({ status: 'ok', vm_name: name });
const [A, B] = [json('a'), json('b')];
const S = SENTINEL;

/** What each engine makes of a stdout: the name of the VM that it finds, or nothing. */
const RULES: [what: string, stdout: string, evm: string, ergo: string, others: string][] = [
  ['nothing', '', '', '', ''],
  ['words', 'VM a is ready\n', '', '', ''],
  ['the sentinel line alone', `${S}${A}\n`, 'a', 'a', ''],
  ['the object alone', `${A}\n`, '', '', 'a'],
  ['both', `${S}${A}\n${A}\n`, 'a', 'a', 'a'],
  ['both, without the last newline', `${S}${A}\n${A}`, 'a', 'a', 'a'],
  ['both, and empty lines after them', `${S}${A}\n${A}\n\n\n`, 'a', 'a', 'a'],
  ['both, in lines that end with CR LF', `${S}${A}\r\n${A}\r\n`, 'a', 'a', 'a'],
  ['both, after other words', `TCG: slow\nQEMU runs\n${S}${A}\n${A}\n`, 'a', 'a', 'a'],
  ['both, with progress between and after', `${S}${A}\n50 %\n${A}\ndone\n`, 'a', 'a', 'a'],
  ['both, with a progress line that was never ended', `50 %\r${S}${A}\n${A}\n`, '', 'a', 'a'],
  ['both, indented', `  ${S}${A}\n  ${A}\n`, '', 'a', 'a'],
  ['both, after a byte order mark', `\ufeff${S}${A}\n${A}\n`, '', 'a', 'a'],
  ['a sentinel without its blank', `BLOCKHOST_RESULT:${A}\n${A}\n`, '', '', 'a'],
  ['a sentinel with nothing after it', `${S}\n${A}\n`, '', '', 'a'],
  ['more blanks after the sentinel', `${S}  ${A} \n${A}\n`, 'a', 'a', 'a'],
  ['two sentinel lines', `${S}${A}\n${S}${B}\n`, 'a', 'b', ''],
  ['two objects', `${A}\n${B}\n`, '', '', 'b'],
  ['a broken first sentinel line', `${S}{"sta\n${S}${B}\n${B}\n`, '', 'b', 'b'],
  ['a broken last sentinel line', `${S}${A}\n${S}{"sta\n${A}\n`, 'a', '', 'a'],
  ['the sentinel in words that follow', `${S}${A}\n${A}\nsee ${S}above\n`, 'a', '', 'a'],
  ['a brace in words that follow', `${S}${A}\n${A}\n{progress}\n`, 'a', 'a', ''],
  ['the sentinel in the last object', `${S}${A}\n{"vm_name":"a","x":"${S}"}\n`, 'a', '', 'a'],
  ['an object over several lines', `${S}{\n"vm_name": "a"\n}\n`, '', '', ''],
  ['two objects on a line', `${S}${A}${B}\n${A}${B}\n`, '', '', ''],
  ['more fields than they know', `${S}{"vm_name":"a","x":{"y":[1]}}\n${A}\n`, 'a', 'a', 'a'],
  ['text beyond ASCII', `größe ✓\n${S}{"vm_name":"a","x":"✓"}\n${A}\n`, 'a', 'a', 'a'],
];

for (const [what, stdout, evm, ergo, others] of RULES) {
  test(`engines and a stdout of ${what}`, () => {
    const found = Object.entries(ENGINES).map(([name, parse]) => [
      name,
      parse(stdout)?.vm_name ?? '',
    ]);
    const wanted = { evm, opnet: others, cardano: others, ergo };
    assert.deepEqual(Object.fromEntries(found), wanted);
  });
}

const PLAIN: CreateResult = {
  status: 'ok',
  vm_name: parseVmName('blockhost-001'),
  ip: '192.0.2.10',
  ipv6: '2001:db8::2',
  vmid: 100,
  nft_token_id: null,
  username: 'admin',
};

const RESULTS: [what: string, result: Partial<CreateResult>][] = [
  ['as an engine has it', {}],
  ['without IPv6', { ipv6: '' }],
  ['without any address', { ip: '', ipv6: '' }],
  ['with a whole IPv6 address', { ipv6: '2001:db8:1111:2222:3333:4444:5555:6666' }],
  ['with a token that is a number', { nft_token_id: '7' }],
  ['with a token of Ergo', { nft_token_id: 'ab'.repeat(32) }],
  ['with the longest token', { nft_token_id: '-._9'.repeat(32) }],
  ['with a token that looks like a number', { nft_token_id: '1e3' }],
  ['with the shortest name', { vm_name: parseVmName('a') }],
  ['with the longest name', { vm_name: parseVmName(`A._-${'9'.repeat(60)}`) }],
  ['with the name of a word of JSON', { vm_name: parseVmName('null') }],
  ['with a name like the sentinel', { vm_name: parseVmName('BLOCKHOST_RESULT') }],
  ['with the first number', { vmid: 0 }],
  ['with a large number', { vmid: 999_999_999 }],
  ['with another account', { username: '_ops-1' }],
];

for (const [what, changed] of RESULTS) {
  test(`every engine finds our result ${what}`, () => {
    const result = { ...PLAIN, ...changed };
    const stdout = `${createOutput(result)}\n`;
    assert.equal(stdout.split(SENTINEL).length, 2, 'one sentinel');
    for (const [engine, parse] of Object.entries(ENGINES))
      assert.deepEqual(parse(stdout), result, engine);
  });
}
