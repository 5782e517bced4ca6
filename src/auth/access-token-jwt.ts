import type { JwtModuleOptions } from '@nestjs/jwt';
import type { SecretOrKeyProvider, StrategyOptionsWithRequest } from 'passport-jwt';
import type { AppConfig } from '../config/config.js';
import type { SigningKeys } from '../keys/signing-keys.js';
import { CLOCK_SKEW_SECONDS } from '../sessions/check/session-checker.js';
import { InvalidAccessTokenError } from '../sessions/sessions.errors.js';
import type { AccessTokenKeys } from './access-token-keys.js';
import { JwtSecrets } from './jwt-secrets.js';
import { Es256Keys } from './es256-keys.js';

/** The keys of the algorithm in the settings. A token of the other one is never accepted (JWT-02). */
export const accessTokenKeys = (config: AppConfig, keys: SigningKeys): AccessTokenKeys =>
  config.jwtAlgorithm === 'HS256' ? new JwtSecrets(config) : new Es256Keys(keys);

/** How access tokens are verified where they do not come with a request: for JwtModule. */
export function accessTokenJwt(config: AppConfig, signingKeys: SigningKeys): JwtModuleOptions {
  const keys = accessTokenKeys(config, signingKeys);
  return {
    secretOrKeyProvider: async (_, token) => {
      const key = typeof token === 'string' ? await keys.verifying(token) : null;
      if (!key) {
        throw new InvalidAccessTokenError();
      }
      return key;
    },
    verifyOptions: verification(config),
  };
}

/** The same for requests: what passport-jwt verifies by. */
export function accessTokenStrategy(config: AppConfig, keys: AccessTokenKeys) {
  const { clockTolerance, ...options } = verification(config);
  // The types know strings only.
  const secretOrKeyProvider: SecretOrKeyProvider<unknown> = (_request, jwt: string, done) => {
    keys.verifying(jwt).then(
      (key) => (key ? Reflect.apply(done, null, [null, key]) : done(new InvalidAccessTokenError())),
      (error: unknown) => done(error),
    );
  };
  return {
    ...options,
    jsonWebTokenOptions: { clockTolerance },
    secretOrKeyProvider,
  } satisfies Partial<StrategyOptionsWithRequest>;
}

const verification = (config: AppConfig) => ({
  algorithms: [config.jwtAlgorithm],
  issuer: config.jwtIssuer,
  audience: config.jwtAudience,
  // The checker compares the times, by the clock that all instances share.
  ignoreExpiration: true,
  clockTolerance: CLOCK_SKEW_SECONDS,
});
