import { QmpCommandError, QmpGoneError, QmpProtocolError, QmpTimeoutError } from './errors.ts';
import type { Peer } from './transport/peer.ts';

export const qemuPeer: Peer = {
  name: 'QEMU',
  absence: 'QEMU is not running',
  silenceHint: 'another client may hold this socket, or the QEMU process is stopped',
  Gone: QmpGoneError,
  Timeout: QmpTimeoutError,
  Protocol: QmpProtocolError,
  Refused: QmpCommandError,
};
