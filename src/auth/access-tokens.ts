import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { isUUID } from 'class-validator';
import { LRUCache } from 'lru-cache';
import { AppConfig } from '../config/config.js';
import { signJwt } from '../keys/sign-jwt.js';
import { Problem } from '../problems/problem.js';
import { isStoreFailure } from '../problems/store-failure.js';
import { secondsOf, type SessionClaims } from '../sessions/check/session-checker.js';
import { InvalidAccessTokenError } from '../sessions/sessions.errors.js';
import type { OpenSessionWithUser } from '../sessions/session-with-user.js';
import { AccessTokenKeys } from './access-token-keys.js';
import { headerOf } from './jwt-header.js';

const VERIFIED_MAX_TOKENS = 10_000;
const VERIFIED_MAX_BYTES = 8 * 1024 * 1024;
const CLAIMS_BYTES = 400;

export interface AccessToken {
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
}

/** Access tokens: JWTs of the profile of RFC 9068, with a session and its generation inside, and nothing about the person. */
@Injectable()
export class AccessTokens {
  // That we signed these claims cannot become untrue, so it need not be found out for each request. Their times are
  // compared at each use, and so are the session and whether the key is still accepted, by the checker.
  private readonly claims: LRUCache<string, SessionClaims>;

  constructor(
    private readonly jwt: JwtService,
    private readonly keys: AccessTokenKeys,
    private readonly config: AppConfig,
  ) {
    this.claims = new LRUCache({
      max: VERIFIED_MAX_TOKENS,
      maxSize: VERIFIED_MAX_BYTES,
      sizeCalculation: (_claims, token) => token.length + CLAIMS_BYTES,
    });
  }

  /**
   * Signs a token for a session as it is now. It never outlives the session, and no key signs it that was revoked before.
   * Throws `service_unavailable`, and what the database throws.
   */
  async issue({ session, ...moment }: Omit<OpenSessionWithUser, 'user'>): Promise<AccessToken> {
    const { readAt } = moment;
    const now = secondsOf(readAt);
    const exp = Math.min(
      now + this.config.accessTokenTtlSeconds,
      secondsOf(session.idleExpiresAt),
      secondsOf(session.expiresAt),
    );
    const claims = {
      iss: this.config.jwtIssuer,
      aud: this.config.jwtAudience,
      sub: session.userId,
      sid: session.id,
      gen: session.generation,
      jti: randomUUID(),
      iat: now,
      exp,
      auth_time: secondsOf(session.authenticatedAt),
    };
    const { header, key } = await this.keys.signing(moment);
    return { accessToken: signJwt(header, claims, key), expiresIn: Math.max(0, exp - now) };
  }

  /**
   * The claims of a token that we signed, however it came: on a socket, say. They authorise nothing by themselves: whether
   * their time is over, their key accepted and the session open, the session checker knows. Throws
   * {@link InvalidAccessTokenError}, and `service_unavailable` where the database does not say whether there is such a key.
   */
  async verify(accessToken: string): Promise<SessionClaims> {
    return this.verified(accessToken) ?? this.remember(accessToken, await this.payloadOf(accessToken));
  }

  /** The same; null where it is no access token that we signed. Throws `service_unavailable` as {@link verify} does. */
  async find(accessToken: string): Promise<SessionClaims | null> {
    try {
      return await this.verify(accessToken);
    } catch (error) {
      if (error instanceof InvalidAccessTokenError) {
        return null;
      }
      throw error;
    }
  }

  /** The claims of a token whose signature was verified before, and is remembered; null for any other. */
  verified(accessToken: string): SessionClaims | null {
    return this.claims.get(accessToken) ?? null;
  }

  /**
   * The claims of a token whose signature was verified just now, to be answered by {@link AccessTokens.verified} from here
   * on. Throws {@link InvalidAccessTokenError} where they are not those of an access token.
   */
  remember(accessToken: string, payload: unknown): SessionClaims {
    const kid = headerOf(accessToken).get('kid');
    const claims = readClaims(payload, typeof kid === 'string' ? kid : null);
    // A copy: what was cut out of a header keeps all of it in memory.
    this.claims.set(Buffer.from(accessToken).toString(), claims);
    return claims;
  }

  private async payloadOf(accessToken: string): Promise<unknown> {
    try {
      return await this.jwt.verifyAsync<object>(accessToken);
    } catch (error) {
      throw error instanceof Problem || isStoreFailure(error) ? error : new InvalidAccessTokenError();
    }
  }
}

/**
 * Reads the claims of a token whose signature, issuer and audience were verified. Every claim must be there and of its
 * type; anything else throws {@link InvalidAccessTokenError}, and no database is asked (JWT-07).
 */
function readClaims(claims: unknown, keyId: string | null): SessionClaims {
  if (!isRecord(claims)) {
    throw new InvalidAccessTokenError();
  }
  const { sub, sid, jti, gen, iat, exp, auth_time: authTime } = claims;
  if (!isId(sub) || !isId(sid) || !isId(jti) || !isCount(gen) || !isTime(iat) || !isTime(exp) || !isTime(authTime)) {
    throw new InvalidAccessTokenError();
  }
  return {
    tokenId: jti,
    sessionId: sid,
    userId: sub,
    generation: gen,
    authenticatedAt: authTime,
    issuedAt: iat,
    expiresAt: exp,
    keyId,
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isId = (value: unknown): value is string => typeof value === 'string' && isUUID(value);
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value < 2 ** 31;
const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
