import { inspect } from 'node:util';
import { MARK, type TestEvent } from './events.ts';

/** A reporter of node:test, for use inside: `node --test-reporter=FILE`. */
export default async function* reporter(source: AsyncIterable<Event>): AsyncGenerator<string> {
  for await (const { type, data } of source) {
    const begins = TYPES[type];
    if (begins !== undefined) yield `${MARK}${JSON.stringify(toEvent(begins, data))}\n`;
  }
}

interface Event {
  type: string;
  data: {
    name?: string;
    nesting?: number;
    skip?: string | boolean;
    todo?: string | boolean;
    details?: { error?: { cause?: unknown } };
  };
}

const TYPES: Record<string, TestEvent['type']> = {
  'test:dequeue': 'begin',
  'test:pass': 'pass',
  'test:fail': 'fail',
};

function toEvent(type: TestEvent['type'], data: Event['data']): TestEvent {
  const { name = '', nesting = 0, details } = data;
  const skip = data.skip ?? data.todo;
  return {
    type,
    name,
    nesting,
    ...(skip === undefined ? {} : { skip: String(skip) }),
    ...(type === 'fail' ? { error: inspect(details?.error?.cause ?? details?.error) } : {}),
  };
}
