import { type Guard, linkLocalOf } from '../../../src/net/guard/guard.ts';
import { parseListing } from '../../../src/net/guard/listing.ts';
import { GUARD_TABLE } from '../../../src/net/guard/rules.ts';
import { listTable } from '../../../src/net/nft.ts';

/** What is in force for a tap. */
interface GuardInForce extends Guard {
  /** Addresses a DHCP server has given it. */
  leased: string[];
  rulesComplete: boolean;
}

/** @returns undefined when nothing confines that tap. */
export async function readGuard(tap: string): Promise<GuardInForce | undefined> {
  const json = await listTable('bridge', GUARD_TABLE);
  if (json === undefined) return undefined;
  const { elements, rulesComplete } = parseListing(json);
  const values = (set: string): string[] =>
    elements
      .filter((element) => element.tap === tap && element.set === set)
      .map(({ value }) => value.replace(/^"[^"]*" \. /, ''));
  const [mac] = values('vm_mac');
  if (mac === undefined || values('vm_tap').length === 0) return undefined;
  return {
    ...{ tap, mac, rulesComplete },
    ipv4: values('vm_ipv4')[0] ?? '',
    ipv6: values('vm_ipv6').find((address) => address !== linkLocalOf(mac)) ?? '',
    leased: values('dhcp_leased').map(dotted).sort(),
  };
}

function dotted(hex: string): string {
  const value = Number(hex);
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}
