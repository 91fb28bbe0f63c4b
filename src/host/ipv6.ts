/** The value of an address that net.isIPv6 accepts, without a zone. */
export function ipv6ToNumber(address: string): bigint {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const plain =
    dotted === null
      ? address
      : `${dotted[1]}${hex(Number(dotted[2]) * 256 + Number(dotted[3]))}:${hex(Number(dotted[4]) * 256 + Number(dotted[5]))}`;
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(missing).fill('0'), ...right];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** An address in the one way RFC 5952 writes it. */
export function formatIpv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    hex(Number((value >> BigInt(112 - 16 * i)) & 0xffffn)),
  );
  // URL's host serialiser shortens as the RFC asks.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function hex(value: number): string {
  return value.toString(16);
}
