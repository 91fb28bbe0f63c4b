import type { Peer } from '../transport/peer.ts';
import {
  AgentCommandError,
  AgentGoneError,
  AgentProtocolError,
  AgentTimeoutError,
} from './errors.ts';

export const agentPeer: Peer = {
  name: 'the guest agent',
  absence: 'the VM is not running',
  silenceHint: 'is qemu-guest-agent running in the guest, and is nobody else using it now?',
  Gone: AgentGoneError,
  Timeout: AgentTimeoutError,
  Protocol: AgentProtocolError,
  Refused: AgentCommandError,
};
