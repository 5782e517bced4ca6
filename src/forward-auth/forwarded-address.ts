import { Injectable, Logger } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppConfig } from '../config/config.js';
import { peerAddressOf } from '../http/request-source.js';
import { type IsTrusted, trustedProxies } from '../http/trusted-proxies.js';

const QUIET_MS = 60_000;

/** Says in the log that a proxy which is believed forwards no address: its requests then look as if all came from itself. */
@Injectable()
export class ForwardedAddress {
  private readonly logger = new Logger(ForwardedAddress.name);
  private readonly isTrusted: IsTrusted;
  private quietUntil = 0;

  constructor({ trustProxy }: AppConfig) {
    this.isTrusted = trustedProxies(trustProxy);
  }

  /** Looks at what a proxy asks. It warns once a minute at most, whatever is asked. */
  look(request: FastifyRequest): void {
    const peer = peerAddressOf(request);
    if (request.headers['x-forwarded-for'] !== undefined || !this.isTrusted(peer, 0)) {
      return;
    }
    const now = performance.now();
    if (now >= this.quietUntil) {
      this.quietUntil = now + QUIET_MS;
      this.logger.warn(
        `The proxy at ${peer} asks /verify without X-Forwarded-For: the audit trail has its address in place of the ` +
          `visitor's. Let it send the header.`,
      );
    }
  }
}
