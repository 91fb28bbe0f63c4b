import * as z from 'zod/mini';
import { QmpProtocolError } from './errors.ts';
import { importShape } from './transport/import.ts';
import type { Message } from './transport/message.ts';

const greeting = z.object({
  QMP: z.object({
    version: z.object({
      qemu: z.object({ major: z.number(), minor: z.number(), micro: z.number() }),
      package: z.string(),
    }),
    capabilities: z.array(z.string()),
  }),
});

/** What QEMU says about itself before anything is asked. */
export type Greeting = z.output<typeof greeting>['QMP'];

/** @throws QmpProtocolError when the first thing the other side says is not QMP's greeting. */
export function readGreeting(message: Message, path: string): Greeting {
  if (message.kind !== 'greeting') {
    const found = message.kind === 'garbage' ? message.why : `an unexpected ${message.kind}`;
    throw new QmpProtocolError(`expected QMP's greeting from ${path}, found ${found}`, {
      hint: 'is this the socket of a QEMU monitor in control mode?',
    });
  }
  const imported = importShape(greeting, message.body);
  if ('value' in imported) return imported.value.QMP;
  throw new QmpProtocolError(`QMP's greeting from ${path} is malformed: ${imported.mismatch}`);
}
