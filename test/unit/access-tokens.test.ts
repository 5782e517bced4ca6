import { randomUUID } from 'node:crypto';
import { generateKey } from '../../src/keys/signing-key.js';
import { InvalidAccessTokenError } from '../../src/sessions/sessions.errors.js';
import { tokensWith } from '../support/access-tokens.js';
import { type ForgingKey, signed } from '../support/forge.js';

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

describe.each<[string, ForgingKey, ForgingKey]>([
  ['ES256', generateKey(), generateKey()],
  ['HS256', 'a-secret-0123456789-0123456789-01', 'another-secret-0123456789-0123456789'],
])('%s', (_, key, otherKey) => {
  it('The signature of an access token is verified once, however often the token comes', async () => {
    const { tokens, count } = tokensWith(key);
    const content = claims();
    const token = signed(content, key);
    const first = await tokens.verify(token);
    expect(first).toEqual({
      tokenId: content.jti,
      sessionId: content.sid,
      userId: content.sub,
      generation: 3,
      authenticatedAt: content.auth_time,
      issuedAt: content.iat,
      expiresAt: content.exp,
      keyId: typeof key === 'string' ? null : key.id,
    });
    expect(await tokens.verify(token)).toEqual(first);
    expect(count()).toBe(1);
  });

  it('An access token with another signature is refused, though the same claims were verified before', async () => {
    const { tokens } = tokensWith(key);
    const content = claims();
    const token = signed(content, key);
    await tokens.verify(token);
    const signature = signed(content, otherKey).split('.')[2]!;
    const forged = [...token.split('.').slice(0, 2), signature].join('.');
    await expect(tokens.verify(forged)).rejects.toThrow(InvalidAccessTokenError);
  });

  it('An access token that was refused is refused again, and verified again', async () => {
    const { tokens, count } = tokensWith(key);
    const forged = signed(claims(), otherKey);
    for (const times of [1, 2, 3]) {
      await expect(tokens.verify(forged)).rejects.toThrow(InvalidAccessTokenError);
      expect(count()).toBe(times);
    }
  });

  it('The claims of an access token that is no token of ours are never remembered', async () => {
    const { tokens, count } = tokensWith(key);
    const incomplete = signed({ ...claims(), sid: 'not an id' }, key);
    await expect(tokens.verify(incomplete)).rejects.toThrow(InvalidAccessTokenError);
    await expect(tokens.verify(incomplete)).rejects.toThrow(InvalidAccessTokenError);
    expect(count()).toBe(2);
  });

  it('After a start without the old key its access tokens are refused, and with both they are accepted', async () => {
    const token = signed(claims(), key);
    await tokensWith(key).tokens.verify(token);
    expect((await tokensWith(otherKey, key).tokens.verify(token)).generation).toBe(3);
    await expect(tokensWith(otherKey).tokens.verify(token)).rejects.toThrow(InvalidAccessTokenError);
  });

  it('No more access tokens are remembered than ten thousand, and the latest stay', async () => {
    const { tokens, count } = tokensWith(key);
    const all = Array.from({ length: 10_001 }, () => signed(claims(), key));
    for (const token of all) await tokens.verify(token);
    expect(count()).toBe(10_001);
    await tokens.verify(all.at(-1)!);
    expect(count()).toBe(10_001);
    await tokens.verify(all[0]!);
    expect(count()).toBe(10_002);
  });
});

it('An access token of the algorithm that is not in the settings is refused', async () => {
  const [pair, secret] = [generateKey(), 'a-secret-0123456789-0123456789-01'];
  await expect(tokensWith(pair).tokens.verify(signed(claims(), secret))).rejects.toThrow(InvalidAccessTokenError);
  await expect(tokensWith(secret).tokens.verify(signed(claims(), pair))).rejects.toThrow(InvalidAccessTokenError);
});
