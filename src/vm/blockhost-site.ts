import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { ProvisionerError } from '../errors.ts';
import type { BlockhostFiles } from '../host/blockhost/files.ts';
import { readNetworkMode } from '../host/blockhost/network-mode.ts';
import {
  type ProvisioningLock,
  takeProvisioningLock,
} from '../host/blockhost/provisioning-lock.ts';
import { assertWallet } from '../host/blockhost/wallet.ts';
import type { HelperClient } from '../store/helper-client.ts';

const GuestSettings = z.object({
  otp_length: z.int(),
  otp_ttl: z.int(),
  dns_zone: z.string(),
  dns_label: z.string(),
  ipv6_gateway: z.string(),
});

export interface NewGuest {
  name: string;
  username: string;
  wallet: string;
  nftTokenId: string | null;
  ip: string;
  ipv6: string;
  sshKeys: readonly string[];
}

/** What a BlockHost host adds to `create`: its lock, its rules, its cloud-init template. */
export class BlockhostSite {
  readonly #files: BlockhostFiles;
  readonly #helper: HelperClient;

  constructor(files: BlockhostFiles, helper: HelperClient) {
    this.#files = files;
    this.#helper = helper;
  }

  /** @throws BusyError when another VM is being made. */
  lock(): ProvisioningLock {
    return takeProvisioningLock(this.#files.run);
  }

  /** @throws ProvisionerError unless just one is enabled. */
  networkMode(): string {
    return readNetworkMode(this.#files.etc);
  }

  /** @throws InputError */
  assertWallet(wallet: string): void {
    assertWallet(this.#files.share, wallet);
  }

  /** User-data by BlockHost's template (contract §9). It holds the secret of the VM's login. */
  async userData(guest: NewGuest): Promise<string> {
    const settings = await this.#settings(guest.ipv6);
    const names = signingNames(guest, settings);
    const variables = {
      VM_NAME: guest.name,
      VM_FQDN: names.fqdn,
      SIGNING_HOST: names.host,
      SIGNING_DOMAIN: names.domain,
      USERNAME: guest.username,
      WALLET_ADDRESS: guest.wallet,
      OTP_LENGTH: String(settings.otp_length),
      OTP_TTL: String(settings.otp_ttl),
      SECRET_KEY: randomBytes(32).toString('hex'),
      NFT_TOKEN_ID: guest.nftTokenId ?? '',
      VM_IP: guest.ip,
      VM_IPV6: guest.ipv6,
      SSH_KEYS: guest.sshKeys.join('\n'),
    };
    const rendered = await this.#helper.call('render', { variables });
    if (typeof rendered === 'string') return rendered;
    throw new ProvisionerError('the cloud-init template of BlockHost gave no text');
  }

  /** The gateway of the VM's IPv6 address: the prefix's first address, which is the host's. */
  async ipv6Gateway(ipv6: string): Promise<string> {
    return (await this.#settings(ipv6)).ipv6_gateway;
  }

  async #settings(ipv6: string): Promise<z.infer<typeof GuestSettings>> {
    return z.parse(GuestSettings, await this.#helper.call('guest_settings', { ipv6 }));
  }
}

/** A name that the broker's DNS knows serves for everything; else the address has to. */
function signingNames(
  { name, ip, ipv6 }: NewGuest,
  { dns_zone, dns_label }: z.infer<typeof GuestSettings>,
): { fqdn: string; host: string; domain: string } {
  if (dns_zone !== '' && dns_label !== '') {
    const fqdn = `${dns_label}.${dns_zone}`;
    return { fqdn, host: fqdn, domain: fqdn };
  }
  return { fqdn: `${name}.local`, host: ipv6 === '' ? ip : `[${ipv6}]`, domain: '' };
}
