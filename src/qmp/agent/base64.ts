import { AgentProtocolError } from './errors.ts';

/** Strict where Buffer is lenient: text a guest sent either is base64 or is refused. `field` is for the message. */
export function decodeBase64(text: string, field: string): Buffer {
  const padding = text.indexOf('=');
  const padded = padding === -1 ? '' : text.slice(padding);
  // A search for a wrong character, not a match of all right ones: that overflows on megabytes.
  const valid =
    text.length % 4 === 0 &&
    !/[^A-Za-z0-9+/=]/.test(text) &&
    (padded === '' || padded === '=' || padded === '==');
  if (!valid) throw new AgentProtocolError(`the guest agent sent ${field} that is not base64`);
  return Buffer.from(text, 'base64');
}
