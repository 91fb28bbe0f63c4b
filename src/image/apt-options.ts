import { run } from '../host/exec.ts';

/** Proxies and the like, which the host's apt needs to reach the mirrors; not left in what is bootstrapped. */
export async function hostAptOptions(): Promise<string[]> {
  const { stdout } = await run('apt-config', ['dump']);
  return stdout
    .split('\n')
    .filter((line) =>
      /^Acquire::((https?|ftp)::|Retries |ForceIPv[46] |Check-Valid-Until )/.test(line),
    );
}
