import { RestoreSession } from '../vm/backup/restore-session.ts';
import { BackupSession } from '../vm/backup/session.ts';
import type { Opened, RootContext } from '../vm/host.ts';

/** What a command that goes on over several requests is in the middle of. The root agent's door has none of it. */
export class Sessions {
  readonly backup: BackupSession;
  readonly restore: RestoreSession;

  constructor(context: RootContext, { backupTo, restoreFrom = [] }: Opened) {
    this.backup = new BackupSession(context, backupTo);
    this.restore = new RestoreSession(context, restoreFrom);
  }

  get isBusy(): boolean {
    return this.backup.isBusy || this.restore.isBusy;
  }

  cancel(): void {
    this.backup.cancel();
    this.restore.cancel();
  }
}
