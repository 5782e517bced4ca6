import { createSecretKey } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-jwt';
import { AppConfig } from '../config/config.js';
import { type CheckedCaller, CLOCK_SKEW_SECONDS, SessionChecker } from '../sessions/session-checker.js';
import { ALGORITHM, hasOurHeader, readClaims } from './access-tokens.js';

const BEARER = /^Bearer +([\w.-]+)$/i;

/** Verifies an access token, and then asks whether its session is still open. A signature alone opens nothing. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) {
  constructor(
    config: AppConfig,
    private readonly checker: SessionChecker,
  ) {
    const key = jwtKey(config);
    super({
      // To the letter of RFC 6750, section 2.1: one token and nothing after it.
      jwtFromRequest: ({ headers }: FastifyRequest) => BEARER.exec(headers.authorization ?? '')?.[1] ?? null,
      // A KeyObject: a string secret would be tried as PEM at every request. The types know strings only.
      secretOrKeyProvider: (_request: unknown, jwt: string, done) =>
        hasOurHeader(jwt) ? Reflect.apply(done, null, [null, key]) : done(new Error('not our header')),
      algorithms: [ALGORITHM],
      issuer: config.jwtIssuer,
      audience: config.jwtAudience,
      // The times are the checker's to compare, with the clock that all instances share.
      ignoreExpiration: true,
      jsonWebTokenOptions: { clockTolerance: CLOCK_SKEW_SECONDS },
    });
  }

  validate(claims: unknown): Promise<CheckedCaller> {
    return this.checker.require(readClaims(claims));
  }
}

export const jwtKey = (config: AppConfig) => createSecretKey(Buffer.from(config.jwtSecret, 'utf8'));
