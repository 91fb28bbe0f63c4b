import type { QmpClient } from '../../qmp/client.ts';
import type { TransactionAction } from '../../qmp/commands/arguments.ts';
import type { VmDisk } from '../disk-chains.ts';
import { type Bitmap, OURS, settlementOf } from './bitmaps.ts';
import type { Backups } from './record.ts';

/** Of disks that QEMU has open: it holds what is in the images only when it ends. */
export async function liveBitmaps(qmp: QmpClient, disks: readonly VmDisk[]): Promise<Bitmap[][]> {
  const nodes = await qmp.execute('query-named-block-nodes', { flat: true });
  return disks.map(({ image }) => {
    const found = nodes.find((node) => node['node-name'] === image)?.['dirty-bitmaps'] ?? [];
    return found.flatMap(({ name, count, inconsistent }) =>
      name !== undefined && OURS.test(name)
        ? [{ name, broken: inconsistent === true, bytes: count }]
        : [],
    );
  });
}

/** What `settlementOf` finds right for each disk, done on all of them or on none. */
export async function settleLiveBitmaps(
  qmp: QmpClient,
  disks: readonly VmDisk[],
  backups: Backups | undefined,
): Promise<void> {
  const bitmaps = await liveBitmaps(qmp, disks);
  const actions = disks.flatMap(({ image: node }, index): TransactionAction[] => {
    const { keep, merge, remove } = settlementOf(bitmaps[index] ?? [], backups);
    const merged = merge.map((name) => ({ node, name }));
    return [
      ...(keep === undefined || merged.length === 0
        ? []
        : [
            {
              type: 'block-dirty-bitmap-merge' as const,
              data: { node, target: keep, bitmaps: merged },
            },
          ]),
      ...remove.map((name) => ({
        type: 'block-dirty-bitmap-remove' as const,
        data: { node, name },
      })),
    ];
  });
  if (actions.length > 0) await qmp.execute('transaction', { actions });
}
