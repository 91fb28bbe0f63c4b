export type Message =
  | { kind: 'greeting'; body: Record<string, unknown> }
  | { kind: 'event'; name: string; body: Record<string, unknown> }
  /** `id` is undefined when the peer could not tell what it is replying to. */
  | { kind: 'reply'; id: unknown; body: Record<string, unknown> }
  | { kind: 'garbage'; why: string };

/** Looks at a line only as far as is needed to route it; whoever waits for it reads the rest. */
export function parseMessage(line: Buffer): Message {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    return { kind: 'garbage', why: 'something that is not JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { kind: 'garbage', why: 'JSON that is not an object' };
  const body = value as Record<string, unknown>;
  if (typeof body.event === 'string') return { kind: 'event', name: body.event, body };
  if ('return' in body || 'error' in body) return { kind: 'reply', id: body.id, body };
  if ('QMP' in body) return { kind: 'greeting', body };
  return { kind: 'garbage', why: 'an object that is no event, reply or greeting' };
}
