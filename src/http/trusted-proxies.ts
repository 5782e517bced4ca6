import { BlockList, isIP } from 'node:net';

/** Whether the host with this address, so many hops before us (0 is the other end of the socket), is believed. */
export type IsTrusted = (address: string, hop: number) => boolean;

/**
 * Reads TRUST_PROXY: no proxy if it is unset, every client's last so many hops for a number, and hosts by address for a
 * list of addresses and CIDR ranges.
 */
export function trustedProxies(trustProxy: string | undefined): IsTrusted {
  const hops = Number(trustProxy ?? 0);
  if (Number.isInteger(hops)) {
    return (_address, hop) => hop < hops;
  }
  const ranges = new BlockList();
  for (const range of trustProxy?.split(',') ?? []) {
    const [address = '', bits] = range.trim().split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    ranges.addSubnet(address, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family);
  }
  return (address) => ranges.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}
