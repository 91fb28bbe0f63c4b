import { bridgeFaultSuite } from '../../support/inject/suite.ts';

await bridgeFaultSuite('more-bridge', 18);
