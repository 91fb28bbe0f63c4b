import { randomUUID } from 'node:crypto';
import { ProvisionerError } from '../../../src/errors.ts';
import { poll } from '../../../src/host/time.ts';
import type { LineSocket } from './line-socket.ts';

type Message = Record<string, unknown>;

/**
 * Sends one command to the real agent and gives what it returns, whatever was on the line before.
 * It is greeted again every second until it answers: what a misbehaving guest took in never reaches it.
 */
export async function askAgent(
  socket: LineSocket,
  execute: string,
  args: Message,
  deadlineMs: number,
): Promise<unknown> {
  const greet = (): Promise<Message | undefined> => {
    socket.sendBytes(Uint8Array.of(0xff));
    const greeting = { execute: 'guest-sync-delimited', arguments: { id: 1 } };
    return ask(socket, greeting, 1000).catch(() => undefined);
  };
  if ((await poll(greet, { deadlineMs, everyMs: 0 })) === undefined)
    throw new ProvisionerError('the guest agent does not answer');
  const reply = await ask(socket, { execute, arguments: args }, deadlineMs);
  if ('error' in reply) throw new ProvisionerError(JSON.stringify(reply.error));
  return reply.return;
}

/** The reply that carries the request's id; everything else is dropped. */
async function ask(socket: LineSocket, request: Message, deadlineMs: number): Promise<Message> {
  const id = randomUUID();
  socket.send({ ...request, id });
  for (;;) {
    const line = await socket.line(deadlineMs);
    if (line.includes(id)) return JSON.parse(line) as Message;
  }
}
