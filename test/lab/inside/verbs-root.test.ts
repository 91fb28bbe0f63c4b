import { testVerbs } from '../suite/verbs.ts';

testVerbs({ as: (argv) => argv, who: 'root' });
