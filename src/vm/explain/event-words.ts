import { ENDED, type VmEvent } from '../../store/vm-events.ts';

const WORDS: Record<VmEvent['kind'], string> = {
  started: 'QEMU was started',
  shutdown: 'QEMU said that it ends',
  ended: 'QEMU ended',
  reset: 'the guest was reset',
  panicked: "the guest's kernel panicked",
  'io-error': 'a disk failed the guest',
  paused: 'it was paused',
  resumed: 'it went on',
  suspended: 'the guest put itself to sleep',
  woken: 'the guest woke up',
  silent: 'QEMU stopped answering',
  answers: 'QEMU answered again',
};

const ENDINGS: Record<string, string> = {
  [ENDED.announced]: 'QEMU ended, as it had said',
  [ENDED.unannounced]: 'QEMU ended without a word',
  [ENDED.unseen]: 'QEMU had ended while nobody watched',
};

/** One line for a person. */
export function eventLine(event: Omit<VmEvent, 'run'>): string {
  const { kind, detail = '', at, first, count, silent_s } = event;
  const ending = kind === 'ended' ? ENDINGS[detail] : undefined;
  const words = ending ?? `${WORDS[kind]}${detail === '' ? '' : ` (${detail})`}`;
  const after = silent_s === undefined ? '' : ` after ${silent_s} s`;
  const often = count === 1 ? '' : `, ${count} times since ${first}`;
  return `${at}  ${words}${after}${often}`;
}
