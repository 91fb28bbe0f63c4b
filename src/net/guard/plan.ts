import { ipv6ToNumber } from '../../host/ipv6.ts';
import { type Guard, linkLocalOf } from './guard.ts';
import { GUARD_CHAINS, GUARD_COUNTERS, GUARD_SETS, GUARD_TABLE } from './rules.ts';

export type GuardSet = keyof typeof GUARD_SETS;
export type Element = { set: GuardSet; value: string };

const TABLE = `bridge ${GUARD_TABLE}`;

/**
 * Input for nft(8), one transaction: table, sets and rules as they must be, whatever was there, and this
 * VM's elements in the place of the old ones. Sets and counters that exist keep their content.
 */
export function installPlan(guard: Guard, old: readonly Element[]): string {
  const wanted = elementsOf(guard);
  return text([...tablePlan(), ...removal(old), ...wanted.map(adding)]);
}

/** Deletes what was found; what somebody else has deleted meanwhile is no error. */
export function removePlan(found: readonly Element[]): string {
  return text(removal(found));
}

/** What stands in the sets for one VM. */
export function elementsOf({ tap, mac, ipv4, ipv6 }: Guard): Element[] {
  const addresses = [linkLocalOf(mac), ...(ipv6 === '' ? [] : [ipv6])];
  const key = (value: string): string => `"${tap}" . ${value}`;
  return [
    { set: 'vm_tap', value: `"${tap}"` },
    { set: 'vm_mac', value: key(mac) },
    { set: 'vm_mac_raw', value: key(`0x${mac.replaceAll(':', '')}`) },
    ...(ipv4 === ''
      ? [{ set: 'vm_dhcp', value: `"${tap}"` } as const]
      : [{ set: 'vm_ipv4', value: key(ipv4) } as const]),
    ...addresses.flatMap((address): Element[] => [
      { set: 'vm_ipv6', value: key(address) },
      { set: 'vm_ipv6_raw', value: key(`0x${ipv6ToNumber(address).toString(16)}`) },
    ]),
  ];
}

function tablePlan(): string[] {
  return [
    `add table ${TABLE}`,
    ...Object.entries(GUARD_SETS).map(([name, spec]) => `add set ${TABLE} ${name} { ${spec} }`),
    ...GUARD_COUNTERS.map((name) => `add counter ${TABLE} ${name}`),
    ...GUARD_CHAINS.flatMap(({ name, hook, rules }) => [
      `add chain ${TABLE} ${name}${hook === undefined ? '' : ` { ${hook} }`}`,
      `flush chain ${TABLE} ${name}`,
      ...rules.map((rule) => `add rule ${TABLE} ${name} ${rule}`),
    ]),
  ];
}

/** Deleting what is absent fails, adding what is there does not. */
function removal(elements: readonly Element[]): string[] {
  return elements.flatMap((element) => [
    adding(element),
    `delete element ${TABLE} ${element.set} { ${element.value} }`,
  ]);
}

function adding({ set, value }: Element): string {
  return `add element ${TABLE} ${set} { ${value} }`;
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
