import { monotonicMs } from '../../host/time.ts';
import { type CallOptions, limitsOf } from '../transport/bounded.ts';
import { decodeBase64 } from './base64.ts';
import type { AgentClient } from './client.ts';
import { AgentProtocolError } from './errors.ts';

const CHUNK_BYTES = 48 * 1024;

/**
 * A file of the guest, such as one in /proc, up to `maxBytes`. Far cheaper than running `cat`.
 * @throws AgentProtocolError when there is more than that.
 */
export async function readGuestFile(
  agent: AgentClient,
  path: string,
  options: CallOptions & { maxBytes?: number | undefined } = {},
): Promise<Buffer> {
  const limits = limitsOf(options, 5000);
  const left = () => ({ deadlineMs: limits.end - monotonicMs(), signal: limits.signal });
  const maxBytes = options.maxBytes ?? 64 * 1024;
  const handle = await agent.execute('guest-file-open', { path, mode: 'r' }, left());
  try {
    const parts: Buffer[] = [];
    let total = 0;
    for (;;) {
      const args = { handle, count: CHUNK_BYTES };
      const read = await agent.execute('guest-file-read', args, left());
      const part = decodeBase64(read['buf-b64'], 'buf-b64');
      total += part.length;
      if (total > maxBytes)
        throw new AgentProtocolError(`the guest's file ${path} is longer than ${maxBytes} bytes`);
      parts.push(part);
      if (read.eof || part.length === 0) return Buffer.concat(parts);
    }
  } finally {
    // The agent keeps handles until it ends. Nothing can be done about one that fails to close.
    agent.execute('guest-file-close', { handle }, { deadlineMs: 1000 }).catch(() => {});
  }
}
