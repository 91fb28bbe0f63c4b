/** Table of ours in the bridge family; everything below is in it. */
export const GUARD_TABLE = 'blockhost_qemu';

/**
 * The same rules for every VM; what differs per VM are elements of the sets. An element of a `_raw` set is the
 * same address as a number: nft 1.0.6 has no name for a MAC in a neighbour-discovery option, the target of one
 * or the fields of DHCP, so rules read them by their offset. (nft(8); RFC 4861 and RFC 2131.) What is compared
 * with `dhcp_leased` is read by offset too, since nft takes it for a number.
 */
export const GUARD_SETS = {
  /** Every tap that is guarded. */
  vm_tap: 'type ifname;',
  vm_mac: 'type ifname . ether_addr;',
  vm_mac_raw: 'typeof iifname . @th,208,48;',
  vm_ipv4: 'type ifname . ipv4_addr;',
  /** Link-local first, then the VM's own. */
  vm_ipv6: 'type ifname . ipv6_addr;',
  vm_ipv6_raw: 'typeof iifname . @th,64,128;',
  /** Taps whose IPv4 a DHCP server chooses. */
  vm_dhcp: 'type ifname;',
  /** What it has chosen, filled by the rules themselves. */
  dhcp_leased: 'typeof oifname . @th,192,32; flags dynamic; size 65535;',
} as const;

/** Frames that were dropped, by reason. */
export const GUARD_COUNTERS = [
  'drop_mac',
  'drop_type',
  'drop_arp',
  'drop_ipv4',
  'drop_dhcp',
  'drop_ipv6',
  'drop_nd',
  'drop_multicast_control',
  'drop_to_vm',
] as const;

/** 01:80:c2:00:00:0x: spanning tree, pause, LLDP and the like, that a bridge answers itself. */
const LINK_CONTROL = 'ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00';

/** A neighbour-discovery message of one type with an option of `kind` at `bit`, which holds the VM's own MAC. */
const ownMacOption = (kind: number, bit: number): string =>
  `@th,${bit},16 0x0${kind}01 iifname . @th,${bit + 16},48 @vm_mac_raw`;
const OWN_SOURCE = 'iifname . ip6 saddr @vm_ipv6';
const OWN_TARGET = 'iifname . @th,64,128 @vm_ipv6_raw';
const RS = 'icmpv6 type nd-router-solicit';
const NS = 'icmpv6 type nd-neighbor-solicit';
const NA = 'icmpv6 type nd-neighbor-advert';
/** Without one there is nothing to compare, and the rule does not hold. 255 is reserved. */
const HAS_PROTOCOL = 'meta l4proto != 255';
const OWN_CHADDR = 'iifname . @th,288,48 @vm_mac_raw';

/** Chains in the order in which they can be made: a rule names only chains above it. */
export const GUARD_CHAINS: readonly { name: string; hook?: string; rules: readonly string[] }[] = [
  {
    name: 'from_vm_arp',
    rules: [
      'arp htype != 1 counter name drop_arp drop',
      'arp ptype != ip counter name drop_arp drop',
      'arp hlen != 6 counter name drop_arp drop',
      'arp plen != 4 counter name drop_arp drop',
      'arp operation != { request, reply } counter name drop_arp drop',
      'iifname . arp saddr ether != @vm_mac counter name drop_arp drop',
      'iifname . arp saddr ip @vm_ipv4 accept',
      'iifname . @nh,112,32 @dhcp_leased accept',
      // A probe (RFC 5227) of another's address would make its owner give way.
      'arp operation request arp saddr ip 0.0.0.0 iifname . arp daddr ip @vm_ipv4 accept',
      'arp operation request arp saddr ip 0.0.0.0 iifname . @nh,192,32 @dhcp_leased accept',
      'counter name drop_arp drop',
    ],
  },
  {
    // Own hardware address in the request: nobody uses up the leases of a network.
    name: 'from_vm_dhcp',
    rules: [
      `udp sport 68 ${OWN_CHADDR} ip saddr 0.0.0.0 ip daddr 255.255.255.255 accept`,
      `udp sport 68 ${OWN_CHADDR} iifname . ip saddr @vm_ipv4 accept`,
      // Whatever its address: by its next renewal the lease is learned again after a reload of the table.
      `udp sport 68 ${OWN_CHADDR} iifname @vm_dhcp accept`,
      'counter name drop_dhcp drop',
    ],
  },
  {
    name: 'from_vm_ipv4',
    rules: [
      // Clients take an answer from any port.
      'udp sport 67 counter name drop_dhcp drop',
      'udp dport 68 counter name drop_dhcp drop',
      'udp dport 67 goto from_vm_dhcp',
      'icmp type { redirect, router-advertisement } counter name drop_ipv4 drop',
      // Queries and PIM would make this port the one to which the bridge sends all multicast; by VRRP a VM would
      // take the gateway's place.
      'igmp type != { membership-report-v1, membership-report-v2, membership-report-v3, leave-group } counter name drop_multicast_control drop',
      'ip protocol { 103, 112 } counter name drop_multicast_control drop',
      // A header that is none shows the kernel no protocol, and nothing above has looked behind it.
      `${HAS_PROTOCOL} iifname . ip saddr @vm_ipv4 accept`,
      `${HAS_PROTOCOL} iifname . @nh,96,32 @dhcp_leased accept`,
      'counter name drop_ipv4 drop',
    ],
  },
  {
    name: 'from_vm_nd',
    rules: [
      // No fragments (RFC 6980), and no header in front: offsets and lengths below would lie.
      'ip6 nexthdr != icmpv6 counter name drop_nd drop',
      'icmpv6 code != 0 counter name drop_nd drop',
      `${RS} ip6 length 8 ${OWN_SOURCE} accept`,
      `${RS} ip6 length 8 ip6 saddr :: accept`,
      `${RS} ip6 length 16 ${OWN_SOURCE} ${ownMacOption(1, 64)} accept`,
      // Detection of duplicates: from nobody, for its own address, perhaps with a nonce (RFC 7527).
      `${NS} ip6 saddr :: ip6 length 24 ${OWN_TARGET} accept`,
      `${NS} ip6 saddr :: ip6 length 32 ${OWN_TARGET} @th,192,16 0x0e01 accept`,
      `${NS} ${OWN_SOURCE} ip6 length 24 accept`,
      `${NS} ${OWN_SOURCE} ip6 length 32 ${ownMacOption(1, 192)} accept`,
      `${NA} ${OWN_SOURCE} ${OWN_TARGET} ip6 length 24 accept`,
      `${NA} ${OWN_SOURCE} ${OWN_TARGET} ip6 length 32 ${ownMacOption(2, 192)} accept`,
      'counter name drop_nd drop',
    ],
  },
  {
    name: 'from_vm_ipv6',
    rules: [
      'udp sport 547 counter name drop_dhcp drop',
      'udp dport 546 counter name drop_dhcp drop',
      'icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } goto from_vm_nd',
      'icmpv6 type { nd-router-advert, nd-redirect, router-renumbering } counter name drop_nd drop',
      // Multicast listener query, and the three of multicast router discovery.
      'icmpv6 type { mld-listener-query, 151, 152, 153 } counter name drop_multicast_control drop',
      'meta l4proto { 103, 112 } counter name drop_multicast_control drop',
      // A first fragment must show its protocol (RFC 7112), or it could hide any of the above. What the kernel
      // finds behind a header that fills the fragment may be no more than the frame's padding.
      'frag nexthdr { 0, 43, 44, 51, 60, 135, 139, 140 } counter name drop_ipv6 drop',
      `${HAS_PROTOCOL} ${OWN_SOURCE} accept`,
      // A guest joins the group of its address before it may use the address.
      'ip6 saddr :: icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } accept',
      'counter name drop_ipv6 drop',
    ],
  },
  {
    name: 'from_vm',
    rules: [
      'iifname . ether saddr != @vm_mac counter name drop_mac drop',
      `${LINK_CONTROL} counter name drop_type drop`,
      // Read from the frame, where a VLAN tag stands in its place.
      'ether type arp goto from_vm_arp',
      'ether type ip goto from_vm_ipv4',
      'ether type ip6 goto from_vm_ipv6',
      'counter name drop_type drop',
    ],
  },
  {
    name: 'to_vm',
    rules: [
      'iifname @vm_tap counter name drop_to_vm drop',
      'ether type != { arp, ip, ip6 } counter name drop_to_vm drop',
      // A guest would give itself an address by it that it may not use.
      'icmpv6 type nd-router-advert counter name drop_to_vm drop',
      'ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 accept',
      'oifname . ether daddr @vm_mac accept',
      'counter name drop_to_vm drop',
    ],
  },
  {
    // Before the bridge learns the frame's source address.
    name: 'ingress',
    hook: 'type filter hook prerouting priority -200; policy accept;',
    rules: ['iifname @vm_tap goto from_vm'],
  },
  {
    // Frames of link control do not pass the hook above.
    name: 'local',
    hook: 'type filter hook input priority -200; policy accept;',
    rules: [`iifname @vm_tap ${LINK_CONTROL} counter name drop_type drop`],
  },
  {
    // From other ports only: what the host itself sends does not pass here.
    name: 'egress',
    hook: 'type filter hook forward priority -200; policy accept;',
    rules: ['oifname @vm_tap goto to_vm'],
  },
  {
    // A reply to this VM's own hardware address. VMs cannot send one (from_vm_ipv4).
    name: 'learn',
    hook: 'type filter hook postrouting priority 0; policy accept;',
    rules: [
      'oifname @vm_dhcp udp sport 67 udp dport 68 @th,64,8 2 oifname . @th,288,48 @vm_mac_raw @th,192,32 != 0 update @dhcp_leased { oifname . @th,192,32 }',
    ],
  },
];
