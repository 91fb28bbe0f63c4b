import { InputError } from '../errors.ts';
import { quote } from '../types.ts';
import { hostnameFor } from './hostname.ts';
import { yamlText } from './yaml-text.ts';

export interface UserDataSpec {
  username: string;
  hostname: string;
  fqdn?: string | undefined;
  /** Owner's wallet address, kept in the account's GECOS field as `wallet=…`. */
  wallet?: string | undefined;
  sshKeys?: readonly string[] | undefined;
}

/** User-data for VMs that have no template of BlockHost's: one account with sudo, and nothing that needs a network. */
export function renderUserData(spec: UserDataSpec): string {
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(spec.username)) {
    throw new InputError(`${quote(spec.username)} is not a valid user name`, {
      hint: 'use up to 32 lower-case letters, digits, dashes and underscores, beginning with a letter',
    });
  }
  const hostname = hostnameFor(spec.hostname);
  const keys = (spec.sshKeys ?? []).map(checkedKey);
  const config = {
    hostname,
    ...(spec.fqdn === undefined ? {} : { fqdn: hostnameFor(spec.fqdn) }),
    prefer_fqdn_over_hostname: false,
    manage_etc_hosts: 'localhost',
    users: [
      {
        name: spec.username,
        ...(spec.wallet === undefined ? {} : { gecos: `wallet=${checkedWallet(spec.wallet)}` }),
        groups: ['sudo'],
        shell: '/bin/bash',
        sudo: ['ALL=(ALL) NOPASSWD:ALL'],
        lock_passwd: true,
        ...(keys.length === 0 ? {} : { ssh_authorized_keys: keys }),
      },
    ],
    growpart: { mode: 'auto', devices: ['/'] },
    resize_rootfs: true,
  };
  return `#cloud-config\n${yamlText(config)}`;
}

function checkedWallet(wallet: string): string {
  // A colon or a line break would end the field in /etc/passwd, a comma the subfield.
  if (/^[\x21-\x7e]{1,256}$/.test(wallet) && !/[:,]/.test(wallet)) return wallet;
  throw new InputError(`${quote(wallet)} is not a valid wallet address`, {
    hint: 'use printable ASCII without spaces, colons and commas',
  });
}

function checkedKey(line: string): string {
  const key = line.trim();
  if (/^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\r\n]*)?$/.test(key)) return key;
  throw new InputError(`${quote(key)} is not an SSH public key`, {
    hint: 'give the content of a .pub file, such as "ssh-ed25519 AAAA… name"',
  });
}
