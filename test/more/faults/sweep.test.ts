import { faultSuite } from '../../support/inject/suite.ts';

faultSuite('more', 9);
