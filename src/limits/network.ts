import { isIP } from 'node:net';

const GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * The network that a limit counts for: an IPv4 address by itself, an IPv6 address by its /64, since one subscriber has all of it
 * (RL-03). The address must be in its canonical spelling.
 */
export function networkOf(ip: string): string {
  if (isIP(ip) !== 6) {
    return ip;
  }
  const [head = '', tail = ''] = ip.split('::');
  const [front, back] = [head, tail].map((part) => part.split(':').filter(Boolean));
  const zeros = Array.from({ length: GROUPS - (front?.length ?? 0) - (back?.length ?? 0) }, () => '0');
  const groups = [...(front ?? []), ...zeros, ...(back ?? [])];
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}
