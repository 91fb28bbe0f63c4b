import { before } from 'node:test';
import { asEngine } from '../host/engine.ts';
import { testLife } from '../suite/life.ts';
import { tinyTemplate } from '../suite/tiny-template.ts';

// By BlockHost's engine in its sandbox, with BlockHost's own database: what takes privileges the root agent does.
before(tinyTemplate);

testLife({ argv: (argv) => asEngine(argv), create: ['--owner-wallet', '0x1234'] });
