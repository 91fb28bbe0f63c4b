import * as path from 'node:path';
import { EmbeddedStore } from '../store/embedded.ts';
import type { Host } from '../vm/host.ts';

/** With --mock records live in a file of the current folder, as BlockHost's own mock database does. */
export function mockHost(host: Host): Host {
  return { ...host, blockhost: undefined, store: new EmbeddedStore(path.resolve('mock-db.json')) };
}
