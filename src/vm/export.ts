import * as fs from 'node:fs';
import { fileSink } from '../host/sink.ts';
import { flatten } from '../image/snapshots.ts';
import { readVmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';
import { assertOff } from './assert-off.ts';
import { disksOf } from './disk-chains.ts';
import type { Host } from './host.ts';
import { withVmLock } from './lock.ts';
import { exportWork, mended } from './mend.ts';
import { assertOwnHost } from './own-host.ts';
import { recover } from './recover.ts';

/** Writes the VM's disk as a qcow2 image that stands alone. It has its name only when it is complete and on the disk; an
 * existing file is never replaced. */
export function exportVm(host: Host, name: VmName, file: string): Promise<void> {
  assertOwnHost(host, 'export');
  return withVmLock(host, name, 'export', async () => {
    await recover(host, name);
    const files = host.paths.vm(name);
    const config = readVmConfig(name, files);
    assertOff(name, files, 'its disk is exported when it is off');
    const [{ chain }] = disksOf(host, files, config);
    const sink = fileSink(file, 0o644);
    const { part } = sink;
    // Whoever owns the disk cannot be expected to reach the target: it writes beside the disk.
    const work = exportWork(files);
    await mended(host, name, { verb: 'export', part }, async () => {
      sink.open();
      fs.closeSync(fs.openSync(work, 'wx', 0o600));
      const { uid, gid } = fs.statSync(files.disk);
      fs.chownSync(work, uid, gid);
      await flatten(chain, work, host.signal);
      fs.copyFileSync(work, part, fs.constants.COPYFILE_FICLONE);
      fs.rmSync(work);
      await sink.commit();
    }).finally(() => sink.discard());
  });
}
