import { InputError, ProvisionerError } from '../errors.ts';
import { quote, type VmName } from '../types.ts';
import { runInGuest } from './guest-exec.ts';
import type { Host } from './host.ts';

/** The caller, an engine, gives up after 30 s. */
const DEADLINE_MS = 20_000;
const USERNAME = /^[a-z_][a-z0-9_-]{0,31}$/;

/** Sets `wallet=…,nft=…` as GECOS of the account that stands in the VM's record. */
export async function updateGecos(
  host: Host,
  name: VmName,
  wallet: string,
  nftId: string,
): Promise<{ username: string }> {
  if (!/^[A-Za-z0-9_]{1,128}$/.test(wallet)) {
    throw new InputError(`${quote(wallet)} is not a valid wallet address`, {
      hint: 'use up to 128 letters, digits and underscores',
    });
  }
  if (!/^[A-Za-z0-9_.-]{1,128}$/.test(nftId)) {
    throw new InputError(`${quote(nftId)} is not a valid NFT id`, {
      hint: 'use up to 128 letters, digits, dots, dashes and underscores',
    });
  }
  const recorded = (await host.store.get(name))?.username;
  const username = recorded === undefined || recorded === '' ? 'admin' : recorded;
  if (!USERNAME.test(username)) {
    throw new ProvisionerError(`VM ${name}: its record names an invalid user, ${quote(username)}`);
  }
  const command = `usermod -c 'wallet=${wallet},nft=${nftId}' '${username}'`;
  const { exitCode, stderr } = await runInGuest(host, name, command, DEADLINE_MS);
  if (exitCode === 0) return { username };
  throw new ProvisionerError(`VM ${name}: usermod failed in the guest with exit code ${exitCode}`, {
    hint: quote(stderr.toString('utf8').trim()),
  });
}
