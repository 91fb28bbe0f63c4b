import * as fs from 'node:fs';
import net from 'node:net';
import * as path from 'node:path';
import { base, die, failure, reach } from './points.ts';

type Write = (data: unknown, ...more: unknown[]) => boolean;

/** Connecting to a VM's socket and every request on it is a point: it can fail, or never be answered. */
export function watchSockets(): void {
  const socket = net.Socket.prototype as unknown as { connect: Write; write: Write };
  const { connect, write } = socket;
  const known = new WeakMap<object, string>();
  socket.connect = function (this: net.Socket, ...args) {
    const file = pathOf(args);
    if (file === undefined) return connect.apply(this, args as [unknown]);
    const name = path.basename(file);
    known.set(this, name);
    const how = reach(`connect ${name}`);
    if (how === 'error') queueMicrotask(() => this.destroy(failure(`connect ${name}`)));
    if (how === 'error' || how === 'hang') return this as never;
    return connect.apply(this, args as [unknown]);
  };
  socket.write = function (this: net.Socket, data, ...more) {
    const name = known.get(this);
    if (name === undefined) return write.call(this, data, ...more);
    const how = reach(`ask ${name} ${requestOf(data)}`);
    if (how === 'error') this.destroy(failure(`write ${name}`));
    if (how === 'error' || how === 'hang') return true;
    const done = write.call(this, data, ...more);
    if (how === 'kill after') {
      // What was held back to go out with more goes out now.
      while (this.writableCorked > 0) this.uncork();
      die();
    }
    return done;
  };
}

/** net.connect passes what it was given as an array of options and callback. */
function pathOf(args: readonly unknown[]): string | undefined {
  const [first] = args.flat() as [unknown];
  const given = typeof first === 'string' ? first : (first as { path?: unknown } | null)?.path;
  // The program connects to what it holds by a descriptor.
  const held = typeof given === 'string' && given.startsWith('/proc/self/fd/');
  const file = held ? fs.readlinkSync(given) : given;
  return typeof file === 'string' && file.startsWith(`${base}/`) ? file : undefined;
}

function requestOf(data: unknown): string {
  const text = String(data);
  return /"execute":\s*"([^"]+)"/.exec(text)?.[1] ?? 'something';
}
