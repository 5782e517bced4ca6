import { isIP, SocketAddress } from 'node:net';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

const USER_AGENT_MAX_LENGTH = 512;
const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
// oxlint-disable-next-line no-control-regex -- this is where they are taken out
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/g;

/** Where a request came from, as sessions and the audit trail record it. */
export interface RequestSource {
  /** IPv4 or IPv6 in text; IPv4-mapped addresses as IPv4. */
  readonly ip: string;
  /** At most 512 characters, control characters removed; empty when none was sent. */
  readonly userAgent: string;
  readonly requestId: string;
}

/** Reads it from a request. */
export function sourceOf(request: FastifyRequest): RequestSource {
  return {
    // What a proxy passes on need not be an address; where it is none, the proxy's own is the truth we have.
    ip: canonicalAddress(request.ip) ?? peerAddressOf(request),
    userAgent: shortened((request.headers['user-agent'] ?? '').replace(CONTROL_CHARACTERS, '')),
    requestId: request.id,
  };
}

/** The address that the connection comes from, whatever headers say; empty where it is gone. */
export const peerAddressOf = ({ socket }: FastifyRequest): string => canonicalAddress(socket.remoteAddress ?? '') ?? '';

// A copy: what is cut out of a header keeps all of it in memory, for as long as the device is remembered.
const shortened = (userAgent: string): string =>
  userAgent.length > USER_AGENT_MAX_LENGTH
    ? Buffer.from(userAgent.slice(0, USER_AGENT_MAX_LENGTH)).toString()
    : userAgent;

/** An address in its one spelling; IPv4 in IPv6 as IPv4. Null for what is no address. */
function canonicalAddress(text: string): string | null {
  const [address = ''] = text.split('%');
  if (isIP(address) !== 6) {
    return isIP(address) === 4 ? address : null;
  }
  return new SocketAddress({ address, family: 'ipv6' }).address.replace(IPV4_MAPPED, '$1');
}

/** Hands a controller method the source of its request. */
export const Source = createParamDecorator((_: unknown, context: ExecutionContext) =>
  sourceOf(context.switchToHttp().getRequest<FastifyRequest>()),
);
