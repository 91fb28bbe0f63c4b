import { bridgeFaultSuite, faultSuite } from '../support/inject/suite.ts';

faultSuite('soak', 1);
await bridgeFaultSuite('soak-bridge', 1);
