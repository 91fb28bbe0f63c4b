import * as fs from 'node:fs';

/** Hands over each line another process appends to `file`; stop() first hands over what is left. */
export function followFile(file: string, onLine: (line: string) => void): { stop(): void } {
  const fd = fs.openSync(file, 'r');
  const buffer = Buffer.alloc(64 * 1024);
  let position = 0;
  let rest = '';
  const read = (): void => {
    for (;;) {
      const bytes = fs.readSync(fd, buffer, 0, buffer.length, position);
      if (bytes === 0) return;
      position += bytes;
      const lines = (rest + buffer.toString('latin1', 0, bytes)).split('\n');
      rest = (lines.pop() ?? '').slice(-10_000);
      for (const line of lines) onLine(line);
    }
  };
  const timer = setInterval(read, 200);
  return {
    stop() {
      clearInterval(timer);
      read();
      if (rest !== '') onLine(rest);
      fs.closeSync(fd);
    },
  };
}
