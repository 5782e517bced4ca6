import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { type JWTHeaderParameters, jwtVerify } from 'jose';
import { AppConfig } from '../config/config.js';
import { issuerOf } from '../config/issuer.js';
import { endsInEs256Signature, signJwt } from '../keys/sign-jwt.js';
import { SIGNING_ALGORITHM } from '../keys/signing-key.js';
import { SigningKeys } from '../keys/signing-keys.js';
import { Problem } from '../problems/problem.js';
import { secondsOf } from '../sessions/check/session-checker.js';
import type { ServiceClientScope } from './service-client.entity.js';
import type { ServiceClient } from './service-client.js';
import { ServiceClientsRepository } from './service-clients.repository.js';

/** How long a token is good. */
export const CLIENT_TOKEN_SECONDS = 600;

const TYPE = 'at+jwt';

export interface ClientToken {
  readonly token: string;
  readonly scopes: readonly ServiceClientScope[];
}

/**
 * Access tokens of service clients (RFC 9068), for receivers that cannot send their secret each time. Their audience is the issuer,
 * they have no session, and no route for people takes them.
 */
@Injectable()
export class ClientTokens {
  constructor(
    private readonly keys: SigningKeys,
    private readonly clients: ServiceClientsRepository,
    private readonly config: AppConfig,
  ) {}

  /** Whether there are keys to sign them with. */
  get areIssued(): boolean {
    return this.config.jwtAlgorithm === SIGNING_ALGORITHM;
  }

  /** Throws as the keys do. */
  async issue(client: ServiceClient, scopes: readonly ServiceClientScope[]): Promise<ClientToken> {
    const { key, readAt } = await this.keys.signingNow();
    const issuer = issuerOf(this.config);
    const now = secondsOf(readAt);
    const claims = {
      iss: issuer,
      aud: issuer,
      sub: client.id,
      client_id: client.id,
      scope: scopes.join(' '),
      iat: now,
      exp: now + CLIENT_TOKEN_SECONDS,
      jti: randomUUID(),
    };
    const token = signJwt({ alg: SIGNING_ALGORITHM, typ: TYPE, kid: key.id }, claims, key.privateKey);
    return { token, scopes };
  }

  /**
   * The client of a token, as it is now, with those of its scopes that the token has. Null where it is no such token, it is over, its
   * key is revoked, or the client has ended. Throws what the keys and the database throw.
   */
  async find(token: string): Promise<ServiceClient | null> {
    if (!endsInEs256Signature(token)) {
      return null;
    }
    const issuer = issuerOf(this.config);
    const verified = await jwtVerify(token, (header) => this.keyOf(header), {
      algorithms: [SIGNING_ALGORITHM],
      typ: TYPE,
      issuer,
      audience: issuer,
      requiredClaims: ['client_id', 'scope', 'exp'],
    }).catch((error: unknown) => {
      // What the keys throw is no verdict.
      if (error instanceof Problem) throw error;
      return null;
    });
    const { client_id: id, scope } = verified?.payload ?? {};
    if (!verified || typeof id !== 'string' || !isUUID(id) || typeof scope !== 'string') {
      return null;
    }
    const client = await this.clients.findByKey(id, verified.protectedHeader.kid ?? '');
    const scopes = scope.split(' ');
    return client && { ...client, scopes: client.scopes.filter((one) => scopes.includes(one)) };
  }

  private async keyOf({ kid }: JWTHeaderParameters) {
    const key = kid === undefined ? null : await this.keys.find(kid);
    if (!key) {
      throw new Error('There is no such key.');
    }
    return key.publicKey;
  }
}
