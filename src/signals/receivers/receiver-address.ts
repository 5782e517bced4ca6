import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Which addresses deliveries may go to. */
export interface AddressRules {
  /** Addresses and networks in which the operator has receivers, whatever they are. */
  readonly networks: readonly string[];
  /** Whether this machine may be one. */
  readonly allowsLoopback: boolean;
}

// Public by its number, and the door to the metadata of a virtual machine on Azure.
const NEVER = new Set(['168.63.129.16']);
// What IANA has given out for the internet. Beside it are old notations of IPv4 addresses, such as ::7f00:1.
const GLOBAL_IPV6 = '2000::/3';

/** There is no address of a host that deliveries may go to. */
export class ForbiddenAddressError extends Error {
  constructor(host: string, addresses: readonly string[]) {
    super(
      addresses.length === 0
        ? `${host} has no address`
        : `${host} is ${addresses.join(', ')}: not an address of the internet, nor in RECEIVER_NETWORKS`,
    );
  }
}

/**
 * Whether deliveries may go to an address: only those of the internet, and what the operator named. Not to private, loopback,
 * link-local, shared or reserved ones, nor to those that carry an IPv4 address within (CWE-918).
 */
export function isAllowedAddress(text: string, { networks, allowsLoopback }: AddressRules): boolean {
  if (!isIP(text)) {
    return false;
  }
  // An IPv4 address in IPv6 notation (::ffff:10.0.0.1) is that IPv4 address.
  const address = ipaddr.process(text);
  if (networks.some((network) => isWithin(address, network))) {
    return true;
  }
  const range = address.range();
  if (range === 'loopback') {
    return allowsLoopback;
  }
  const isGlobal = address.kind() === 'ipv4' || isWithin(address, GLOBAL_IPV6);
  return range === 'unicast' && isGlobal && !NEVER.has(address.toString());
}

function isWithin(address: ipaddr.IPv4 | ipaddr.IPv6, network: string): boolean {
  const [base, bits] = ipaddr.parseCIDR(
    network.includes('/') ? network : `${network}/${isIP(network) === 6 ? 128 : 32}`,
  );
  return address.kind() === base.kind() && address.match(base, bits);
}

/**
 * Resolves a host for a connection: to those of its addresses that are allowed. Since the connection goes to what is returned
 * here, a name that is another address by then (DNS rebinding) does not matter.
 */
export function lookupAllowed(rules: AddressRules): LookupFunction {
  const lookupShared = sharedLookup();
  return (host, options, done) => {
    lookupShared(host, options).then(
      (addresses) => {
        const allowed = addresses.filter(({ address }) => isAllowedAddress(address, rules));
        const [first] = allowed;
        if (!first) {
          const all = addresses.map(({ address }) => address);
          done(new ForbiddenAddressError(host, all), '', 0);
        } else if (options.all) {
          done(null, allowed);
        } else {
          done(null, first.address, first.family);
        }
      },
      (error: Error) => done(error, '', 0),
    );
  };
}

/**
 * Looks up all addresses of a host, once for all who ask meanwhile. Node has two threads for that, and a name whose servers do not
 * answer occupies one until the resolver gives up: the eight requests that a receiver may have would keep those of others waiting.
 */
function sharedLookup(): (host: string, options: LookupOptions) => Promise<readonly LookupAddress[]> {
  const underWay = new Map<string, Promise<readonly LookupAddress[]>>();
  return (host, options) => {
    const key = JSON.stringify([host, options.family, options.hints]);
    const found = underWay.get(key);
    if (found) {
      return found;
    }
    const asked = new Promise<readonly LookupAddress[]>((resolve, reject) => {
      lookup(host, { ...options, all: true }, (error, addresses) => {
        underWay.delete(key);
        if (error) reject(error);
        else resolve(addresses);
      });
    });
    underWay.set(key, asked);
    return asked;
  };
}
