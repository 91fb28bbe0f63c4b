import { publisherOf } from '../image/template-store.ts';
import type { VmName } from '../types.ts';
import { settleBackup } from '../vm/backup/settle.ts';
import { createFiles } from '../vm/create-files.ts';
import type { Opened, RootContext } from '../vm/host.ts';
import { careForHost } from '../vm/host-care.ts';
import { limitRun } from '../vm/limits/limit-run.ts';
import { endRun, removeFiles } from '../vm/remove.ts';
import type { RootSide } from '../vm/root-side.ts';
import { inTurn } from '../vm/root-turn.ts';
import { startRun } from '../vm/start-run.ts';
import { Sessions } from './sessions.ts';

/** The root side in this process: for root itself, and for VMs that belong to whoever runs the command. */
export function localRoot(context: RootContext, opened: Opened = {}): RootSide {
  const turn = <P extends { name: VmName }, R>(
    request: string,
    work: (context: RootContext, params: P) => Promise<R>,
  ): ((params: P) => Promise<R>) => {
    return (params) => inTurn(context, request, params.name, () => work(context, params));
  };
  const { backup, restore } = new Sessions(context, opened);
  return {
    createFiles: turn('create', createFiles),
    start: turn('start', startRun),
    end: turn('end', endRun),
    remove: turn('remove', removeFiles),
    limit: turn('limit', limitRun),
    care: (request) => careForHost(context, request),
    publish: publisherOf(context.paths),
    settleBackup: turn('settle', settleBackup),
    backup,
    restore,
  };
}
