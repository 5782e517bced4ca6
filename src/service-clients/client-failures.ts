import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { AppConfig } from '../config/config.js';
import type { RequestSource } from '../http/request-source.js';
import type { KeyedLimit } from '../limits/keyed-limit.js';
import { accountKey } from '../limits/limiter.js';
import { Limiters } from '../limits/limiters.js';
import { networkOf } from '../limits/network.js';
import { RefusalTrail } from '../limits/refusal-trail.js';
import type { ServiceClient } from './service-client.js';

const MINUTE_SECONDS = 60;

/**
 * Counts failed authentications of service clients, by where they come from and by the client that they name, whether or not
 * there is such a client. Beyond a limit a failure is answered 429. The right secret is never refused: it has 256 bits, so
 * that nothing is gained by making it wait, and nobody can lock a client out by sending wrong ones.
 */
@Injectable()
export class ClientFailures {
  private readonly addresses: KeyedLimit;
  private readonly clients: KeyedLimit;

  constructor(
    limiters: Limiters,
    private readonly refusals: RefusalTrail,
    config: AppConfig,
  ) {
    this.addresses = limiters.createKeyed({
      event: 'service_client_throttled',
      name: 'client_address',
      counts: 'address',
      points: config.clientFailuresPerAddress,
      setting: config.settingToName('CLIENT_FAILURES_PER_ADDRESS'),
      windowSeconds: MINUTE_SECONDS,
    });
    this.clients = limiters.createKeyed({
      event: 'service_client_throttled',
      name: 'client_id',
      counts: 'client',
      points: config.clientFailuresPerClient,
      setting: config.settingToName('CLIENT_FAILURES_PER_CLIENT'),
      windowSeconds: MINUTE_SECONDS,
    });
  }

  /** Counts and records one. Throws `too_many_requests` beyond a limit. */
  async count(presentedId: string, source: RequestSource): Promise<void> {
    await this.addresses.consume(networkOf(source.ip), source);
    await this.clients.consume(accountKey(presentedId), source);
    // What is no id of ours may be anything, a secret in the wrong place too.
    const note = isUUID(presentedId) ? presentedId : null;
    await this.refusals.record(refusal('invalid_client', note), source);
  }

  /** Records that a client was refused what it has no scope for. */
  async recordMissingScope({ id, name }: ServiceClient, source: RequestSource): Promise<void> {
    await this.refusals.record(refusal('insufficient_scope', `${id} ${name}`), source, id);
  }
}

const refusal = (reason: string, note: string | null) =>
  ({ type: 'service_client_refused', outcome: 'failure', reason, note }) as const;
