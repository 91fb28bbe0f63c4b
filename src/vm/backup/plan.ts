import { ProvisionerError } from '../../errors.ts';
import type { VmFiles } from '../../host/paths.ts';
import type { BackupHeader } from '../../image/backup/format.ts';
import { diskSizes, type VmConfig } from '../../store/vm-config.ts';
import { type Bitmap, bitmapName } from './bitmaps.ts';
import { type Backups, readBackups } from './record.ts';

export interface Plan {
  header: BackupHeader;
  /** The bitmap that tells what to copy; undefined: all of it. */
  since: string | undefined;
  /** The backup that is no longer the last one afterwards. */
  superseded: string | undefined;
}

export interface PlanFacts {
  config: VmConfig;
  files: VmFiles;
  /** Of each disk. */
  bitmaps: readonly (readonly Bitmap[])[];
  incremental: boolean;
  id: string;
}

/** @throws ProvisionerError when it is to be incremental and not all is known that was written since. */
export function planOf({ config, files, bitmaps, incremental, id }: PlanFacts): Plan {
  const last = readBackups(files)?.last;
  const parent = incremental ? assertUnbroken(config, last, bitmaps) : undefined;
  return {
    header: {
      id,
      parent: parent?.id ?? null,
      chain: parent?.chain ?? id,
      sequence: parent === undefined ? 0 : parent.sequence + 1,
      created_at: new Date().toISOString(),
      quiesced: null,
      vm: {
        name: config.name,
        uuid: config.uuid,
        vcpus: config.vcpus,
        memory_mb: config.memory_mb,
        username: config.username,
        template: config.template,
        network: config.network.mode,
      },
      disks: diskSizes(config).map((bytes) => ({ bytes })),
    },
    since: parent === undefined ? undefined : bitmapName(parent.id),
    superseded: last?.id,
  };
}

function assertUnbroken(
  { name }: VmConfig,
  last: Backups['last'] | undefined,
  bitmaps: PlanFacts['bitmaps'],
): Backups['last'] {
  const hint = 'run backup without --incremental';
  if (last === undefined) {
    throw new ProvisionerError(`VM ${name} has no backup that this one could continue`, { hint });
  }
  const wanted = bitmapName(last.id);
  const whole = bitmaps.every((all) => all.some((one) => one.name === wanted && !one.broken));
  if (whole) return last;
  throw new ProvisionerError(
    `VM ${name}: what was written since its last backup is not known (QEMU was killed, the host lost power, or a snapshot was restored)`,
    { hint },
  );
}
