/** Which internet addresses lead out into the world, and not to this machine or its network. */

import { BlockList, isIP } from "node:net";

/** Ranges that are not for the public (IANA's special-purpose registries). */
const V4: [string, number][] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
/** Of IPv6 only global unicast is public, but for these parts of it: translation and tunnels reach inside. */
const V6: [string, number][] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const PRIVATE = new BlockList(), GLOBAL_V6 = new BlockList();
for (const [net, prefix] of V4) PRIVATE.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of V6) PRIVATE.addSubnet(net, prefix, "ipv6");
GLOBAL_V6.addSubnet("2000::", 3, "ipv6");

export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !PRIVATE.check(address, "ipv4");
    case 6:
      return GLOBAL_V6.check(address, "ipv6") && !PRIVATE.check(address, "ipv6");
    default:
      return false;
  }
}
