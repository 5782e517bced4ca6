import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { Strategy } from 'passport-jwt';
import type { Caller } from '../sessions/caller.js';
import { AppConfig } from '../config/config.js';
import { SessionChecker, type SessionClaims } from '../sessions/check/session-checker.js';
import { hasOurHeader, JwtKeys, readClaims, verification } from './access-tokens.js';

const BEARER = /^Bearer +([\w.-]+)$/i;
const VERIFIED_MAX_TOKENS = 10_000;
const VERIFIED_MAX_BYTES = 8 * 1024 * 1024;
const CLAIMS_BYTES = 400;
const VERIFIED_FOR_MS = 60_000;

/** Verifies an access token, and then asks whether its session is still open. A signature alone opens nothing. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) {
  // That we signed these claims cannot change, so it need not be found out for each request. What can change, and when
  // they are over, is never kept: the checker is asked every time.
  private readonly verified = new LRUCache<string, SessionClaims>({
    max: VERIFIED_MAX_TOKENS,
    maxSize: VERIFIED_MAX_BYTES,
    sizeCalculation: (_claims, token) => token.length + CLAIMS_BYTES,
    ttl: VERIFIED_FOR_MS,
  });

  constructor(
    config: AppConfig,
    private readonly checker: SessionChecker,
  ) {
    const keys = new JwtKeys(config);
    const { clockTolerance, ...options } = verification(config);
    super({
      jwtFromRequest: tokenOf,
      // The types know strings only.
      secretOrKeyProvider: (_request: unknown, jwt: string, done) =>
        hasOurHeader(jwt) ? Reflect.apply(done, null, [null, keys.of(jwt)]) : done(new Error('not our header')),
      ...options,
      jsonWebTokenOptions: { clockTolerance },
      passReqToCallback: true,
    });
  }

  /** The step after the signature: who is calling, if the session is open. Throws as the checker does. */
  validate(request: FastifyRequest, payload: unknown): Promise<Caller> {
    const claims = readClaims(payload);
    // A copy: what was cut out of a header keeps all of it in memory.
    this.verified.set(Buffer.from(tokenOf(request) ?? '').toString(), claims);
    return this.checker.require(claims);
  }

  /** The same step for a token whose signature was verified within the last minute; null for any other. */
  validateAgain(request: FastifyRequest): Promise<Caller> | null {
    const claims = this.verified.get(tokenOf(request) ?? '');
    return claims ? this.checker.require(claims) : null;
  }
}

// To the letter of RFC 6750, section 2.1: one token and nothing after it.
const tokenOf = ({ headers }: FastifyRequest): string | null => BEARER.exec(headers.authorization ?? '')?.[1] ?? null;
