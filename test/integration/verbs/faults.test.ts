import { faultSuite } from '../../support/inject/suite.ts';

faultSuite('integration', 31);
