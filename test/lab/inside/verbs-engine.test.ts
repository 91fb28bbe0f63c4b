import { asEngine } from '../host/engine.ts';
import { testVerbs } from '../suite/verbs.ts';

testVerbs({ as: asEngine, who: 'user blockhost, by the root agent' });
