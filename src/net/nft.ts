import { ProvisionerError } from '../errors.ts';
import { ExecError, run } from '../host/exec.ts';

/** Runs a plan as one transaction: all of it, or nothing. @throws ProvisionerError in words for a person. */
export async function applyNft(plan: string): Promise<void> {
  if (plan === '') return;
  try {
    await run('nft', ['-f', '-'], { input: plan });
  } catch (error) {
    throw explained(error);
  }
}

/** A table as nft's JSON; undefined when there is none, or nothing that could hold one. */
export async function listTable(family: string, table: string): Promise<string | undefined> {
  try {
    return (await run('nft', ['-j', 'list', 'table', family, table])).stdout;
  } catch (error) {
    if (error instanceof ExecError && (error.missing || NO_TABLE.test(error.stderr)))
      return undefined;
    throw explained(error);
  }
}

const NO_TABLE = /No such file or directory|not supported/;

function explained(error: unknown): unknown {
  if (!(error instanceof ExecError)) return error;
  const options = { detail: error.stderr, cause: error };
  if (error.missing) {
    return new ProvisionerError('the network filter cannot be set: nft is not installed', {
      ...options,
      hint: 'apt-get install nftables',
    });
  }
  const why = /Error: (.*)/.exec(error.stderr)?.[1] ?? error.message;
  return new ProvisionerError(`the network filter cannot be set: nft says: ${why}`, {
    ...options,
    hint: /Operation not permitted/.test(error.stderr)
      ? 'this needs root (CAP_NET_ADMIN)'
      : 'the kernel needs nftables in the bridge family (CONFIG_NF_TABLES_BRIDGE)',
  });
}
