import { createHmac, createSecretKey, type KeyObject, randomUUID, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { isUUID } from 'class-validator';
import { AppConfig } from '../config/config.js';
import { CLOCK_SKEW_SECONDS, secondsOf, type SessionClaims } from '../sessions/check/session-checker.js';
import { InvalidAccessTokenError } from '../sessions/sessions.errors.js';
import type { SessionWithUser } from '../sessions/session-with-user.js';

export const ALGORITHM = 'HS256' as const;
export const TOKEN_TYPE = 'at+jwt';

export interface AccessToken {
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
}

/** What a token's signature is verified with. Its times are the checker's to compare, by the clock all instances share. */
export const verification = ({ jwtIssuer, jwtAudience }: AppConfig) => ({
  algorithms: [ALGORITHM],
  issuer: jwtIssuer,
  audience: jwtAudience,
  ignoreExpiration: true,
  clockTolerance: CLOCK_SKEW_SECONDS,
});

/** Access tokens: JWTs of the profile of RFC 9068, with a session and its generation inside, and nothing about the person. */
@Injectable()
export class AccessTokens {
  constructor(
    private readonly jwt: JwtService,
    private readonly config: AppConfig,
  ) {}

  /** Signs a token for a session as it is now. It never outlives the session. */
  issue({ session, readAt }: SessionWithUser): AccessToken {
    const now = secondsOf(readAt);
    const exp = Math.min(
      now + this.config.accessTokenTtlSeconds,
      secondsOf(session.idleExpiresAt),
      secondsOf(session.expiresAt),
    );
    const accessToken = this.jwt.sign({
      iss: this.config.jwtIssuer,
      aud: this.config.jwtAudience,
      sub: session.userId,
      sid: session.id,
      gen: session.generation,
      jti: randomUUID(),
      iat: now,
      exp,
      auth_time: secondsOf(session.authenticatedAt),
    });
    return { accessToken, expiresIn: Math.max(0, exp - now) };
  }

  /**
   * What a token says, if we signed it: for what is not an HTTP request, such as the first words on a socket. Whether
   * its session is open, the session checker knows. Throws {@link InvalidAccessTokenError}.
   */
  verify(accessToken: string): SessionClaims {
    if (!hasOurHeader(accessToken)) {
      throw new InvalidAccessTokenError();
    }
    try {
      return readClaims(this.jwt.verify(accessToken, verification(this.config)));
    } catch {
      throw new InvalidAccessTokenError();
    }
  }
}

/**
 * Reads the claims of a token whose signature, issuer and audience were verified. Every claim must be there and of its
 * type; anything else throws {@link InvalidAccessTokenError} before a database hears of it (JWT-07).
 */
export function readClaims(claims: unknown): SessionClaims {
  if (!isRecord(claims)) {
    throw new InvalidAccessTokenError();
  }
  const { sub, sid, jti, gen, iat, exp, auth_time: authTime } = claims;
  if (!isId(sub) || !isId(sid) || !isId(jti) || !isCount(gen) || !isTime(iat) || !isTime(exp) || !isTime(authTime)) {
    throw new InvalidAccessTokenError();
  }
  return {
    sessionId: sid,
    userId: sub,
    generation: gen,
    authenticatedAt: authTime,
    issuedAt: iat,
    expiresAt: exp,
  };
}

/** The secrets of access tokens: the first signs, all verify. */
export class JwtKeys {
  readonly signing: KeyObject;
  private readonly others: readonly KeyObject[];

  constructor({ jwtSecrets: [first = '', ...others] }: AppConfig) {
    this.signing = toKey(first);
    this.others = others.map(toKey);
  }

  /** The key to verify a token with: the one that signed it, or else the first, which will say no. */
  of(jwt: string): KeyObject {
    return this.others.find((key) => hasSigned(key, jwt)) ?? this.signing;
  }
}

// A KeyObject: a string would be tried as PEM at every token.
const toKey = (secret: string): KeyObject => createSecretKey(Buffer.from(secret, 'utf8'));

function hasSigned(key: KeyObject, jwt: string): boolean {
  const end = jwt.lastIndexOf('.');
  const expected = Buffer.from(createHmac('sha256', key).update(jwt.slice(0, end)).digest('base64url'));
  const signature = Buffer.from(jwt.slice(end + 1));
  return expected.length === signature.length && timingSafeEqual(expected, signature);
}

/** Whether the header is exactly the one we write: no other algorithm, type, key reference or extension (JWT-02, JWT-03). */
export function hasOurHeader(jwt: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(jwt.split('.')[0] ?? '', 'base64url').toString('utf8'));
    const expected = { alg: ALGORITHM, typ: TOKEN_TYPE };
    return (
      isRecord(header) &&
      Object.keys(header).length === Object.keys(expected).length &&
      Object.entries(expected).every(([name, value]) => header[name] === value)
    );
  } catch {
    return false;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isId = (value: unknown): value is string => typeof value === 'string' && isUUID(value);
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value < 2 ** 31;
const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
