import { renderUserData } from '../image/user-data.ts';
import type { CreateSpec } from './create-spec.ts';

/**
 * What the guest is told at its first boot.
 * @throws InputError when it holds what is no SSH key.
 */
export function userDataOf(spec: CreateSpec): string {
  const { name, username, wallet, sshKeys } = spec;
  if (spec.cloudInitContent !== undefined) return spec.cloudInitContent;
  return renderUserData({
    username,
    hostname: spec.extras?.hostname ?? name,
    wallet: wallet === '' ? undefined : wallet,
    sshKeys,
  });
}
