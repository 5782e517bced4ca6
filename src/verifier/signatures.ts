import { errors, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { InvalidTokenError, UnavailableError, VerifierSettingsError } from './errors.js';
import type { PublishedKeys } from './published-keys.js';
import type { Settings } from './settings.js';
import { onceAMinute, type Report } from './warnings.js';

export const CLOCK_SKEW_SECONDS = 30;
const VERIFIED_MAX_TOKENS = 10_000;
const VERIFIED_MAX_BYTES = 8 * 1024 * 1024;
const CLAIMS_BYTES = 400;
// Latchkey's have about 600 characters. What is longer is not one of them, whatever it holds.
const TOKEN_MAX_LENGTH = 4096;
// The last character of a signature has four bits that are zero, or it is another spelling of the same (RFC 4648, section 3.5).
const TOKEN = /^([\w-]+)\.[\w-]+\.[\w-]{85}[AQgw]$/;
// A thumbprint of SHA-256. For anything else nobody is asked.
const KEY_ID = /^[\w-]{43}$/;

/** What a token says whose signature was verified. Times are seconds since the epoch. */
export interface Claims {
  readonly userId: string;
  readonly sessionId: string;
  readonly tokenId: string;
  readonly authenticatedAt: number;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly amr?: readonly string[];
  readonly acr?: string;
  readonly keyId: string;
}

/** Verifies signatures: of each token once, for as long as it is remembered and its key published. */
export class Signatures {
  // That Latchkey signed these claims cannot become untrue. Their times are compared at each use, and their session asked for.
  private readonly claims = new LRUCache<string, Claims>({
    max: VERIFIED_MAX_TOKENS,
    maxSize: VERIFIED_MAX_BYTES,
    sizeCalculation: (_claims, token) => token.length + CLAIMS_BYTES,
  });
  private readonly beingVerified = new Map<string, Promise<Claims>>();
  // Whoever has such a token can send it as often as they like.
  private readonly report: Report;

  constructor(
    private readonly keys: PublishedKeys,
    private readonly settings: Pick<Settings, 'issuer' | 'audience' | 'onError'>,
  ) {
    this.report = onceAMinute(settings.onError);
  }

  /** The claims of a token whose signature was verified before; null for any other. */
  remembered(token: string): Claims | null {
    const claims = this.claims.get(token);
    return claims && this.keys.isKnown(claims.keyId) ? claims : null;
  }

  /**
   * The claims of an access token that Latchkey signed for this service, whatever the time is. Throws
   * {@link InvalidTokenError}, and {@link UnavailableError} where the keys cannot be read.
   */
  async verify(token: string): Promise<Claims> {
    const keyId = keyIdOf(token);
    const verifying = this.beingVerified.get(token) ?? this.verifyWith(token, keyId);
    this.beingVerified.set(token, verifying);
    try {
      return await verifying;
    } finally {
      this.beingVerified.delete(token);
    }
  }

  private async verifyWith(token: string, keyId: string): Promise<Claims> {
    const find = await this.keys.finderFor(keyId);
    try {
      const { payload } = await jwtVerify(token, find, {
        algorithms: ['ES256'],
        typ: 'at+jwt',
        issuer: this.settings.issuer,
        audience: this.settings.audience,
        // Whether its time is over is decided at each use.
        clockTolerance: Number.MAX_SAFE_INTEGER,
      });
      const claims = readClaims(payload, keyId);
      this.claims.set(token, claims);
      return claims;
    } catch (error) {
      if (error instanceof errors.JWTClaimValidationFailed) {
        this.reportOtherClaims(error.payload);
      }
      if (error instanceof errors.JOSEError || error instanceof InvalidTokenError) {
        throw new InvalidTokenError();
      }
      throw new UnavailableError('unexpected_answer', `The key ${keyId} that Latchkey publishes is broken.`, {
        cause: error,
      });
    }
  }

  // Claims are compared after the signature, so these are Latchkey's own words, and its clients cannot know what is wrong.
  private reportOtherClaims({ iss, aud }: JWTPayload): void {
    const { issuer, audience } = this.settings;
    const problems = [
      ...(iss === issuer ? [] : [differenceOf('issuer', iss, issuer)]),
      ...([aud].flat().includes(audience) ? [] : [differenceOf('audience', aud, audience)]),
    ];
    if (problems.length > 0) {
      this.report(new VerifierSettingsError(problems));
    }
  }
}

const differenceOf = (setting: 'issuer' | 'audience', theirs: unknown, ours: string): string =>
  `tokens of this Latchkey have the ${setting} ${JSON.stringify(theirs)}, and this verifier expects "${ours}": ` +
  `${setting} must be Latchkey's JWT_${setting.toUpperCase()}`;

/** The key that a token names. Throws {@link InvalidTokenError} where its header is not exactly one that Latchkey writes. */
function keyIdOf(token: unknown): string {
  const [, header = ''] = (typeof token === 'string' && token.length <= TOKEN_MAX_LENGTH && TOKEN.exec(token)) || [];
  const members = new Map(Object.entries(parse(header)));
  const keyId = members.get('kid');
  const isOurs = members.size === 3 && members.get('alg') === 'ES256' && members.get('typ') === 'at+jwt';
  if (!isOurs || typeof keyId !== 'string' || !KEY_ID.test(keyId)) {
    throw new InvalidTokenError();
  }
  return keyId;
}

function parse(header: string): object {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(header, 'base64url').toString());
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

/** Every claim must be there and of its type. */
function readClaims(payload: JWTPayload, keyId: string): Claims {
  const { sub, sid, jti, iat, exp, auth_time: authTime, amr, acr } = payload;
  if (!isText(sub) || !isText(sid) || !isText(jti) || !isTime(iat) || !isTime(exp) || !isTime(authTime)) {
    throw new InvalidTokenError();
  }
  return {
    userId: sub,
    sessionId: sid,
    tokenId: jti,
    authenticatedAt: authTime,
    issuedAt: iat,
    expiresAt: exp,
    ...(Array.isArray(amr) && amr.every(isText) && { amr }),
    ...(isText(acr) && { acr }),
    keyId,
  };
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
