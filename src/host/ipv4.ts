/** The value of an address that net.isIPv4 accepts. */
export function ipv4ToNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((bits) => Math.floor(value / 2 ** bits) % 256).join('.');
}

/** First and last address of the network that an address lies in: those of the network itself and of its broadcasts. */
export function networkOf(address: string, prefixLength: number): { first: number; last: number } {
  const size = 2 ** (32 - prefixLength);
  const first = Math.floor(ipv4ToNumber(address) / size) * size;
  return { first, last: first + size - 1 };
}

const NOT_OF_A_HOST: readonly (readonly [network: string, prefixLength: number, what: string])[] = [
  ['0.0.0.0', 8, 'of no network'],
  ['127.0.0.0', 8, 'for loopback'],
  ['224.0.0.0', 4, 'for multicast'],
  ['255.255.255.255', 32, 'for broadcast'],
  ['240.0.0.0', 4, 'of nobody yet'],
];

/** What an address is when no host on a network can have it (RFC 6890), such as "for multicast"; else undefined. */
export function specialUse(address: string): string | undefined {
  const value = ipv4ToNumber(address);
  return NOT_OF_A_HOST.find(([network, prefixLength]) => {
    const { first, last } = networkOf(network, prefixLength);
    return value >= first && value <= last;
  })?.[2];
}
