import { LabHost } from './lab-host.ts';

/** Boots a host and gives the terminal to a command in it, a shell by default. @returns its exit code */
export async function shell(command: readonly string[]): Promise<number> {
  const ends: (() => Promise<void>)[] = [];
  const { stdin, stdout, stderr } = process;
  try {
    console.error('lab: booting a host');
    const host = await LabHost.boot({ after: (end) => ends.push(end) });
    const env = {
      TERM: process.env.TERM ?? 'dumb',
      LINES: String(stdout.rows ?? 24),
      COLUMNS: String(stdout.columns ?? 80),
    };
    const words = command.length === 0 ? ['bash', '-l'] : command;
    // script(1) gives it a terminal of its own there; a pipe stays a pipe.
    const argv = stdin.isTTY ? ['script', '-qec', words.map(quote).join(' '), '/dev/null'] : words;
    if (stdin.isTTY) stdin.setRawMode(true);
    const { code } = await host.exec(
      argv,
      {
        env,
        timeoutMs: 2 ** 31 - 1,
        onOutput: (bytes, which) => (which === 1 ? stdout : stderr).write(bytes),
      },
      (to) => {
        stdin.on('data', (bytes) => to.write(bytes));
        stdin.on('end', () => to.end());
      },
    );
    return code < 0 ? 128 - code : code;
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.destroy();
    for (const end of ends) await end();
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
