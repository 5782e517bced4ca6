import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { type JwtModuleOptions, JwtSecretRequestType } from '@nestjs/jwt';
import type { SecretOrKeyProvider, StrategyOptionsWithRequest } from 'passport-jwt';
import type { AppConfig } from '../config/config.js';
import { CLOCK_SKEW_SECONDS } from '../sessions/check/session-checker.js';

const HEADER = { alg: 'HS256', typ: 'at+jwt' } as const;

/** How access tokens are signed, and verified where they do not come with a request: for JwtModule. */
export function accessTokenJwt(config: AppConfig): JwtModuleOptions {
  const keys = new JwtKeys(config);
  return {
    secretOrKeyProvider: (type, token) =>
      type === JwtSecretRequestType.VERIFY && typeof token === 'string' ? keys.of(token) : keys.signing,
    signOptions: { algorithm: HEADER.alg, header: HEADER },
    verifyOptions: verification(config),
  };
}

/** The same for requests: what passport-jwt verifies by. */
export function accessTokenStrategy(config: AppConfig) {
  const keys = new JwtKeys(config);
  const { clockTolerance, ...options } = verification(config);
  // The types know strings only.
  const secretOrKeyProvider: SecretOrKeyProvider<unknown> = (_request, jwt: string, done) =>
    hasOurHeader(jwt) ? Reflect.apply(done, null, [null, keys.of(jwt)]) : done(new Error('not our header'));
  return {
    ...options,
    jsonWebTokenOptions: { clockTolerance },
    secretOrKeyProvider,
  } satisfies Partial<StrategyOptionsWithRequest>;
}

const verification = (config: AppConfig) => ({
  algorithms: [HEADER.alg],
  issuer: config.jwtIssuer,
  audience: config.jwtAudience,
  // The checker compares the times, by the clock that all instances share.
  ignoreExpiration: true,
  clockTolerance: CLOCK_SKEW_SECONDS,
});

/** Whether the header is exactly the one we write: no other algorithm, type, key reference or extension (JWT-02, JWT-03). */
export function hasOurHeader(jwt: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(jwt.split('.')[0] ?? '', 'base64url').toString('utf8'));
    const found = new Map(typeof header === 'object' && header !== null ? Object.entries(header) : []);
    const expected = Object.entries(HEADER);
    return found.size === expected.length && expected.every(([name, value]) => found.get(name) === value);
  } catch {
    return false;
  }
}

/** The secrets of access tokens: the first signs, all verify. */
class JwtKeys {
  readonly signing: KeyObject;
  private readonly others: readonly KeyObject[];

  constructor({ jwtSecrets: [first = '', ...others] }: AppConfig) {
    this.signing = toKey(first);
    this.others = others.map(toKey);
  }

  /** The key to verify a token with: the one that signed it, or else the first, by which it is refused. */
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
