import { randomUUID } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import { accessTokenJwt } from '../../src/auth/access-token-keys.js';
import { AccessTokens } from '../../src/auth/access-tokens.js';
import { AppConfig } from '../../src/config/config.js';
import { InvalidAccessTokenError } from '../../src/sessions/sessions.errors.js';
import { signed } from '../support/forge.js';
import { SECRETS } from '../support/secrets.js';

/** As they are after a start with these secrets, and how often a signature was verified since. */
function tokensWith(...jwtSecrets: string[]) {
  const config = Object.assign(new AppConfig(), { jwtSecrets });
  const jwt = new JwtService(accessTokenJwt(config));
  const verifications = jest.spyOn(jwt, 'verify');
  return { tokens: new AccessTokens(jwt, config), count: () => verifications.mock.calls.length };
}

const claims = () => ({
  iss: 'latchkey',
  aud: 'latchkey',
  sub: randomUUID(),
  sid: randomUUID(),
  jti: randomUUID(),
  gen: 3,
  iat: 1_700_000_000,
  exp: 1_700_000_600,
  auth_time: 1_700_000_000,
});

it('The signature of an access token is verified once, however often the token comes', () => {
  const { tokens, count } = tokensWith(SECRETS.JWT_SECRET);
  const content = claims();
  const token = signed(content);
  const first = tokens.verify(token);
  expect(first).toEqual({
    sessionId: content.sid,
    userId: content.sub,
    generation: 3,
    authenticatedAt: content.auth_time,
    issuedAt: content.iat,
    expiresAt: content.exp,
  });
  expect(tokens.verify(token)).toEqual(first);
  expect(count()).toBe(1);
});

it('An access token with another signature is refused, though the same claims were verified before', () => {
  const { tokens } = tokensWith(SECRETS.JWT_SECRET);
  const content = claims();
  tokens.verify(signed(content));
  expect(() => tokens.verify(signed(content, {}, 'another-secret-0123456789-0123456789'))).toThrow(
    InvalidAccessTokenError,
  );
});

it('An access token that was refused is refused again, and verified again', () => {
  const { tokens, count } = tokensWith(SECRETS.JWT_SECRET);
  const forged = signed(claims(), {}, 'another-secret-0123456789-0123456789');
  for (const times of [1, 2, 3]) {
    expect(() => tokens.verify(forged)).toThrow(InvalidAccessTokenError);
    expect(count()).toBe(times);
  }
});

it('The claims of an access token that is no token of ours are never remembered', () => {
  const { tokens, count } = tokensWith(SECRETS.JWT_SECRET);
  const incomplete = signed({ ...claims(), sid: 'not an id' });
  expect(() => tokens.verify(incomplete)).toThrow(InvalidAccessTokenError);
  expect(() => tokens.verify(incomplete)).toThrow(InvalidAccessTokenError);
  expect(count()).toBe(2);
});

it('After a start without the old secret its access tokens are refused, and with both they are accepted', () => {
  const [old, fresh] = [SECRETS.JWT_SECRET, 'a-fresh-secret-0123456789-0123456789'];
  const token = signed(claims(), {}, old);
  tokensWith(old).tokens.verify(token);
  expect(tokensWith(fresh, old).tokens.verify(token).generation).toBe(3);
  expect(() => tokensWith(fresh).tokens.verify(token)).toThrow(InvalidAccessTokenError);
});

it('No more access tokens are remembered than ten thousand, and the latest stay', () => {
  const { tokens, count } = tokensWith(SECRETS.JWT_SECRET);
  const all = Array.from({ length: 10_001 }, () => signed(claims()));
  for (const token of all) tokens.verify(token);
  expect(count()).toBe(10_001);
  tokens.verify(all.at(-1)!);
  expect(count()).toBe(10_001);
  tokens.verify(all[0]!);
  expect(count()).toBe(10_002);
});
