import type { JournalEntry } from '../journal.ts';

/** A killed backup has no journal but a folder (backup/settle.ts). */
export const BACKUP_IS_SETTLED =
  'the next verb thaws the guest, ends the copying and removes the part that was written';

/** What recover.ts does about a verb that died half-way, in words. */
export function nextVerbDoes(entry: JournalEntry): string {
  switch (entry.verb) {
    case 'create':
      return 'the next verb removes what there is of it, unless its record was written';
    case 'start':
      return 'the next verb lets the guest run if it does, else ends its QEMU';
    case 'destroy':
      return 'the next verb finishes removing it';
    case 'throttle':
      return 'the next verb puts the limits in force that stand in vm.json';
    case 'snapshot':
      return `the next verb brings snapshot ${entry.label} on all disks or on none`;
    case 'export':
      return 'the next verb removes the part of an image that was written';
  }
}
