import { faultSuite } from '../../support/inject/suite.ts';

faultSuite('soak', 1);
