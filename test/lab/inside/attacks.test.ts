// The same attacks on the kernel of a real Debian host, whose features are other than those of the machine that tests.
import '../../integration/net/attacks.test.ts';
import '../../integration/net/guard.test.ts';
