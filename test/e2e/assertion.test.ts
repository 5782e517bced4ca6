import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { useApp } from '../support/app.js';
import { resign, signed, signingKeyOf } from '../support/forge.js';

const t = useApp();

const AUDIENCE = 'https://app.example.com';

async function assertionOf(bearer: string, audience = AUDIENCE): Promise<string> {
  const { headers } = await t.api.call('GET', `/verify?audience=${encodeURIComponent(audience)}`, { bearer });
  return headers.get('x-latchkey-assertion')!;
}

/** As an upstream verifies it, with nothing but the published keys. */
const verified = (assertion: string, audience = AUDIENCE, typ = 'latchkey-assertion+jwt') =>
  jwtVerify(assertion, createRemoteJWKSet(new URL('/.well-known/jwks.json', t.api.url)), {
    algorithms: ['ES256'],
    typ,
    issuer: 'latchkey',
    audience,
  });

it('An upstream verifies with the published keys who is there, for 60 seconds', async () => {
  const { accessToken, user, session } = await t.api.signUp();
  const assertion = await assertionOf(accessToken);
  const { payload, protectedHeader } = await verified(assertion);
  const { kid } = await signingKeyOf(t.database).then(({ id }) => ({ kid: id }));
  expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'latchkey-assertion+jwt', kid });
  const { auth_time: authTime } = decodeJwt(accessToken);
  expect(payload).toEqual({
    iss: 'latchkey',
    aud: AUDIENCE,
    sub: user.id,
    sid: session.id,
    role: 'user',
    auth_time: authTime,
    iat: expect.any(Number),
    exp: payload.iat! + 60,
  });
});

it('It never outlives its session', async () => {
  const { accessToken, session } = await t.api.signUp();
  await t.database.query(`UPDATE sessions SET idle_expires_at = now() + interval '20 seconds' WHERE id = $1`, [
    session.id,
  ]);
  const { iat, exp } = decodeJwt(await assertionOf(accessToken));
  expect(exp! - iat!).toBeLessThanOrEqual(20);
});

it('It is for its audience alone, and without one there is none', async () => {
  const { accessToken } = await t.api.signUp();
  await expect(verified(await assertionOf(accessToken), 'https://other.example.com')).rejects.toThrow('"aud"');
  const { headers } = await t.api.call('GET', '/verify', { bearer: accessToken });
  expect(headers.get('x-latchkey-assertion')).toBe('');
});

it('It is no access token, also where everything but its type were right', async () => {
  const account = await t.api.signUp();
  const assertion = await assertionOf(account.accessToken);
  const key = await signingKeyOf(t.database);
  const disguised = resign(account, key, {}, { typ: 'latchkey-assertion+jwt' });
  for (const token of [assertion, disguised, signed(decodeJwt(assertion), key)]) {
    for (const path of ['/auth/me', '/sessions', '/verify']) {
      const { status, body } = await t.api.call('GET', path, { bearer: token });
      expect([path, status, body.code]).toEqual([path, 401, 'invalid_token']);
    }
    expect((await t.api.refresh(token)).status).toBe(401);
  }
  // The same with the type of access tokens is one: it was nothing else that refused it.
  expect((await t.api.me(resign(account, key))).status).toBe(200);
});

it('An access token is no assertion', async () => {
  const { accessToken } = await t.api.signUp();
  expect(decodeProtectedHeader(accessToken).typ).toBe('at+jwt');
  await expect(verified(accessToken, 'latchkey')).rejects.toThrow('"typ"');
});

it('A revoked key signs none any more', async () => {
  const { accessToken, refreshToken } = await t.api.signUp();
  const before = decodeProtectedHeader(await assertionOf(accessToken)).kid;
  await t.database.query('UPDATE signing_keys SET accepted_until = now() WHERE id = $1', [before]);
  const fresh = (await t.api.refresh(refreshToken)).body;
  const assertion = await assertionOf(fresh.accessToken);
  expect(decodeProtectedHeader(assertion).kid).not.toBe(before);
  await verified(assertion);
});
