import * as fs from 'node:fs';
import { InputError } from '../errors.ts';
import { type Account, findAccount } from './accounts.ts';

/**
 * How a verb gets done what needs privileges.
 * - `own`: by itself. Root on a host without BlockHost, or anybody who keeps VMs in a folder of their own.
 * - `agent`: the verb is run by BlockHost's user and asks BlockHost's root agent.
 * - `split`: the verb is run by root on a BlockHost host. It leaves a root side behind and becomes BlockHost's
 *   user, to whom database, locks and journals belong.
 */
export type Role = { kind: 'own' } | { kind: 'agent' } | { kind: 'split'; account: Account };

export interface RoleFacts {
  setting: 'auto' | 'own' | 'agent' | 'split';
  /** Whether the caller moved the state: then it is a folder of its own, and nobody else's. */
  ownFolder: boolean;
  agentSocket: string;
  /** Directory of BlockHost's user that holds what it shares with us. */
  blockhostState: string;
  user: string;
}

export function chooseRole(facts: RoleFacts, uid = process.getuid?.() ?? 0): Role {
  const { setting, ownFolder, agentSocket, blockhostState, user } = facts;
  if (setting === 'own' || (setting === 'auto' && ownFolder)) return { kind: 'own' };
  const account = findAccount(user);
  const isBlockhost = account !== undefined && fs.existsSync(blockhostState);
  if (setting === 'split' && uid === 0 && account === undefined) {
    throw new InputError(`root is set to split, but there is no user ${user}`, {
      hint: 'name another front_user, or set root to auto',
    });
  }
  if (uid !== 0) {
    // BlockHost's user has no VMs of its own, also while the agent is away for a moment.
    const theirs = isBlockhost && uid === account.uid;
    return setting === 'agent' || theirs || fs.existsSync(agentSocket)
      ? { kind: 'agent' }
      : { kind: 'own' };
  }
  return account !== undefined && (isBlockhost || setting === 'split') && setting !== 'agent'
    ? { kind: 'split', account }
    : { kind: 'own' };
}
