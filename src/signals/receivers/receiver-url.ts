import { isIP } from 'node:net';
import { type AddressRules, isAllowedAddress } from './receiver-address.js';

const MOST_CHARACTERS = 2048;
// A URL has none of them (RFC 3986, 2). The parser drops or encodes them, but what is kept and shown is the text as it was sent.
const BLANK_OR_INVISIBLE = /[\s\p{Cc}\p{Cf}\p{Cs}]/u;

/** The host of a URL as sockets take it: an IPv6 address without its brackets. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');

/**
 * What is wrong with the URL of a receiver; null where nothing is. What a name resolves to is looked at when something is sent.
 */
export function whatIsWrong(text: string, rules: AddressRules): string | null {
  if (BLANK_OR_INVISIBLE.test(text)) {
    return 'must not contain blanks, control characters or text direction characters';
  }
  // As it is used: `https://0x7f.1/` and `https://2130706433/` are 127.0.0.1.
  const url = text.length <= MOST_CHARACTERS && URL.canParse(text) ? new URL(text) : null;
  if (!url || !['https:', 'http:'].includes(url.protocol)) {
    return `must be an https URL of at most ${MOST_CHARACTERS} characters`;
  }
  if (url.username || url.password) {
    return 'must have no credentials: deliveries are signed';
  }
  if (url.hash) {
    return 'must have no fragment: it is not sent';
  }
  const host = hostOf(url);
  if (url.protocol === 'http:' && !(rules.allowsLoopback && isLoopback(host))) {
    return 'must begin with https://';
  }
  if (
    isIP(host)
      ? !isAllowedAddress(host, rules)
      : isLocalName(host) && !rules.allowsLoopback && rules.networks.length === 0
  ) {
    return 'must not lead to a private, loopback, link-local or reserved address, unless RECEIVER_NETWORKS names it';
  }
  return null;
}

const isLocalName = (host: string): boolean => /(^|\.)localhost\.?$/.test(host);
const isLoopback = (host: string): boolean =>
  isLocalName(host) ||
  (isIP(host) !== 0 && isAllowedAddress(host, { networks: ['127.0.0.0/8', '::1'], allowsLoopback: true }));
