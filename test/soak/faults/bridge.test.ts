import { bridgeFaultSuite } from '../../support/inject/suite.ts';

await bridgeFaultSuite('soak-bridge', 1);
