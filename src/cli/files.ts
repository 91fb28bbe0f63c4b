import * as fs from 'node:fs';
import * as net from 'node:net';
import { fileSink, streamSink } from '../host/sink.ts';
import { type Named, PASSED_STDOUT } from '../root/split.ts';
import type { Opened } from '../vm/host.ts';

/** What the root side works with of the files that a command line names. */
export function openedBy(
  { backupTo, restoreFrom }: Named,
  stdout: () => NodeJS.WritableStream,
): Opened {
  return {
    restoreFrom,
    ...(backupTo === undefined
      ? {}
      : {
          backupTo: (signal) =>
            backupTo === '-' ? streamSink(stdout(), signal) : fileSink(backupTo),
        }),
  };
}

/** The stdout of the command whose root side this is. */
export function passedStdout(): NodeJS.WritableStream {
  const fd = PASSED_STDOUT;
  const stat = fs.fstatSync(fd);
  const stream =
    stat.isFIFO() || stat.isSocket()
      ? new net.Socket({ fd, readable: false, writable: true })
      : fs.createWriteStream('', { fd, autoClose: false });
  // Who writes is told, too.
  return stream.on('error', () => undefined);
}
