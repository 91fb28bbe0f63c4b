import { publisherOf } from '../image/template-store.ts';
import { createFiles } from '../vm/create-files.ts';
import type { RootContext } from '../vm/host.ts';
import { limitRun } from '../vm/limits/limit-run.ts';
import { endRun, removeFiles } from '../vm/remove.ts';
import type { RootSide } from '../vm/root-side.ts';
import { startRun } from '../vm/start-run.ts';

/** The root side in this process: for root itself, and for VMs that belong to whoever runs the command. */
export function localRoot(context: RootContext): RootSide {
  return {
    createFiles: (request) => createFiles(context, request),
    start: (request) => startRun(context, request),
    end: (request) => endRun(context, request),
    remove: (request) => removeFiles(context, request),
    limit: (request) => limitRun(context, request),
    publish: publisherOf(context.paths),
  };
}
