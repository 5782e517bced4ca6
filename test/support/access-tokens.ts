import { JwtService } from '@nestjs/jwt';
import { accessTokenJwt, accessTokenKeys } from '../../src/auth/access-token-jwt.js';
import { AccessTokens } from '../../src/auth/access-tokens.js';
import { AppConfig } from '../../src/config/config.js';
import type { KeyPair } from '../../src/keys/signing-key.js';
import type { ForgingKey } from './forge.js';

/** As they are after a start with these keys, and how often a signature was verified since. */
export function tokensWith(...keys: ForgingKey[]) {
  const pairs = keys.filter((key): key is KeyPair => typeof key !== 'string');
  const config = Object.assign(new AppConfig(), {
    jwtAlgorithm: pairs.length > 0 ? 'ES256' : 'HS256',
    jwtSecrets: keys.filter((key) => typeof key === 'string'),
  });
  const known: any = { find: (id: string) => Promise.resolve(pairs.find((pair) => pair.id === id) ?? null) };
  const jwt = new JwtService(accessTokenJwt(config, known));
  const verifications = jest.spyOn(jwt, 'verifyAsync');
  return {
    tokens: new AccessTokens(jwt, accessTokenKeys(config, known), config),
    count: () => verifications.mock.calls.length,
  };
}
