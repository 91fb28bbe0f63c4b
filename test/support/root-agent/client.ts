import * as net from 'node:net';

export const ROOT_AGENT_SOCKET = '/run/blockhost/root-agent.sock';

export interface Reply {
  ok: boolean;
  error?: string;
  [key: string]: unknown;
}

/** One exchange with the root agent, as its client does it. */
export async function callRootAgent(
  action: string,
  params: object = {},
  socket = ROOT_AGENT_SOCKET,
): Promise<Reply> {
  const answer = await exchange(frame(JSON.stringify({ action, params })), socket);
  if (answer === undefined) throw new Error('the root agent closed the connection');
  return answer;
}

/** A text with its length before it. */
export function frame(text: string | Buffer): Buffer {
  const body = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Sends these bytes, whatever they are. @returns the reply, undefined when the agent closes without one */
export function exchange(bytes: Buffer, socket = ROOT_AGENT_SOCKET): Promise<Reply | undefined> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const connection = net.connect(socket, () => connection.write(bytes));
    connection.on('data', (data) => received.push(data));
    // It may refuse before it has read all that we write.
    connection.on('error', (error: NodeJS.ErrnoException) => {
      if (!['EPIPE', 'ECONNRESET'].includes(error.code ?? '')) reject(error);
    });
    connection.on('close', () => {
      const all = Buffer.concat(received);
      if (all.length === 0) resolve(undefined);
      else if (all.length === 4 + all.readUInt32BE(0))
        resolve(JSON.parse(all.subarray(4).toString('utf8')) as Reply);
      else reject(new Error(`a torn reply: ${all.toString('latin1').slice(0, 200)}`));
    });
  });
}
