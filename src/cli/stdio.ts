let lost = false;
let [out, err]: (NodeJS.WriteStream | undefined)[] = [];

/** Standard output. Made when it is first used: a stream takes a millisecond, and not every verb needs both. */
export function stdout(): NodeJS.WriteStream {
  // A reader that went away must not end us half-way. Who did not get the result must not be told of success.
  out ??= process.stdout.on('error', () => {
    lost = true;
    process.exitCode = 1;
  });
  return out;
}

export function stderr(): NodeJS.WriteStream {
  err ??= process.stderr.on('error', () => undefined);
  return err;
}

/** Whether a result could not be written. */
export function isOutputLost(): boolean {
  return lost;
}
