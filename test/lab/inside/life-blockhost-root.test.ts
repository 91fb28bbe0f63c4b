import { before } from 'node:test';
import { testLife } from '../suite/life.ts';
import { tinyTemplate } from '../suite/tiny-template.ts';

// By root, on a host with BlockHost's own database and rules.
before(tinyTemplate);

testLife({ argv: (argv) => [...argv], create: ['--owner-wallet', '0x1234'] });
