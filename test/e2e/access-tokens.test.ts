import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { generateKey } from '../../src/keys/signing-key.js';
import { type AuthResult } from '../support/api.js';
import { useApp } from '../support/app.js';
import { claimsOf, resign as resignWith, respelt, signingKeyOf } from '../support/forge.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';

const t = useApp();
const now = () => Math.floor(Date.now() / 1000);
const INVALID = { status: 401, body: { code: 'invalid_token' } };

let me: AuthResult;
let other: AuthResult;
let key: Awaited<ReturnType<typeof signingKeyOf>>;
const resign = (login: AuthResult, changes = {}, header = {}) => resignWith(login, key, changes, header);
beforeAll(async () => {
  key = await signingKeyOf(t.database);
  me = await t.api.signUp();
  other = await t.api.signUp();
});

describe('an access token', () => {
  it('An access token has exactly the claims and the header of the contract', () => {
    const header = JSON.parse(Buffer.from(me.accessToken.split('.')[0]!, 'base64url').toString());
    const claims = claimsOf(me.accessToken);
    expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: key.id });
    expect(claims).toEqual({
      iss: 'latchkey',
      aud: 'latchkey',
      sub: me.user.id,
      sid: me.session.id,
      gen: 1,
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: Number(claims['iat']) + 600,
      auth_time: expect.any(Number),
    });
  });

  it('An unchanged access token that is signed again with the right key is accepted', async () => {
    expect((await t.api.me(resign(me))).status).toBe(200);
  });

  it('Only an access token sent as a bearer token authenticates; a query, a cookie, another header or scheme does not', async () => {
    for (const path of [`/auth/me?access_token=${me.accessToken}`, `/auth/me?token=${me.accessToken}`]) {
      expect(await t.api.call('GET', path)).toMatchObject(INVALID);
    }
    expect(await t.api.call('GET', '/auth/me', { cookie: `access_token=${me.accessToken}` })).toMatchObject(INVALID);
    expect(await t.api.call('GET', '/auth/me', { headers: { 'x-access-token': me.accessToken } })).toMatchObject(
      INVALID,
    );
    for (const authorization of [
      `Basic ${me.accessToken}`,
      `Bearer`,
      `Bearer `,
      me.accessToken,
      `Bearer ${me.refreshToken}`,
      `Bearer ${me.accessToken} junk`,
    ]) {
      expect(await t.api.call('GET', '/auth/me', { headers: { authorization } })).toMatchObject(INVALID);
    }
  });

  it('A request without a token gets a plain challenge, and one with a wrong token also the error invalid_token', async () => {
    expect((await t.api.call('GET', '/auth/me')).headers.get('www-authenticate')).toBe('Bearer realm="latchkey"');
    expect((await t.api.me('nonsense')).headers.get('www-authenticate')).toContain('error="invalid_token"');
  });
});

describe('the right key with a wrong claim', () => {
  // test/unit/access-token-claims.test.ts has every way in which a claim can be wrong.
  it.each(['iss', 'aud', 'sub', 'sid', 'gen', 'jti', 'iat', 'exp', 'auth_time'])(
    'A correctly signed access token whose claim %s is missing or wrong is refused',
    async (claim) => {
      for (const value of [undefined, null, {}, 'nonsense']) {
        const answer = await t.api.me(resign(me, { [claim]: value }));
        expect([claim, value, answer.status, answer.body.code]).toEqual([claim, value, 401, 'invalid_token']);
      }
    },
  );

  it.each<[string, () => Record<string, unknown>]>([
    ["another user's session", () => ({ sid: other.session.id })],
    ['another user', () => ({ sub: other.user.id })],
    ['another issuer', () => ({ iss: 'https://elsewhere.example' })],
    ['another audience', () => ({ aud: 'another-api' })],
    ['other audiences', () => ({ aud: ['another-api', 'and-another'] })],
    ['a generation to come', () => ({ gen: 2 })],
    ['an end long past', () => ({ exp: now() - 3600 })],
    ['an end just beyond the skew', () => ({ exp: now() - 31 })],
    ['a start to come', () => ({ nbf: now() + 3600 })],
    ['an issue time to come', () => ({ iat: now() + 3600 })],
    ['another time of authentication', () => ({ auth_time: now() - 5000 })],
  ])('A correctly signed access token with %s is refused', async (_, changes) => {
    expect(await t.api.me(resign(me, changes()))).toMatchObject(INVALID);
  });

  it('A correctly signed access token for a session that does not exist is refused', async () => {
    expect((await t.api.me(resign(me, { sid: randomUUID() }))).status).toBe(401);
  });

  it('An access token that ended within the tolerated clock skew is still accepted', async () => {
    expect((await t.api.me(resign(me, { exp: now() - 10 }))).status).toBe(200);
  });

  it('An access token is refused once its time is over, though it was accepted a moment before', async () => {
    const token = resign(me, { exp: now() - 26 });
    expect((await t.api.me(token)).status).toBe(200);
    await until('its time is over', async () => (await t.api.me(token)).status === 401);
    expect(await t.api.me(token)).toMatchObject(INVALID);
  });
});

describe('a wrong header or signature', () => {
  it.each<[string, Record<string, unknown> | (() => Record<string, unknown>)]>([
    ['the algorithm none', { alg: 'none' }],
    ['the algorithm None', { alg: 'None' }],
    ['the algorithm nOnE', { alg: 'nOnE' }],
    ['the algorithm HS512', { alg: 'HS512' }],
    ['the algorithm HS256', { alg: 'HS256' }],
    ['the algorithm RS256', { alg: 'RS256' }],
    ['the algorithm ES384', { alg: 'ES384' }],
    ['another type', { typ: 'JWT' }],
    ['a refresh type', { typ: 'rt+jwt' }],
    ['no type', { typ: undefined }],
    ['a key of its own', { jwk: { kty: 'oct', k: 'AAAA' } }],
    ['the address of a key', { jku: 'https://evil.example/jwks.json' }],
    ['the address of a certificate', { x5u: 'https://evil.example/cert.pem' }],
    ['a key id that is a path', { kid: '../../../../dev/null' }],
    ['a key id that is part of ours', () => ({ kid: key.id.slice(0, -1) })],
    ['the key id of no key', { kid: 'A'.repeat(43) }],
    ['no key id', { kid: undefined }],
    ['a number for a key id', { kid: 1 }],
    ['the address of a certificate chain', { x5c: ['AAAA'] }],
    ['a critical extension', { crit: ['exp'], exp: 1 }],
    ['a compression', { zip: 'DEF' }],
  ])('An access token with %s in its header is refused', async (_, header) => {
    const changed = typeof header === 'function' ? header() : header;
    expect(await t.api.me(resign(me, {}, changed))).toMatchObject(INVALID);
  });

  it('An access token whose signature is spelt in another way is refused, though it decodes to the same', async () => {
    for (let i = 0; i < 3; i++) {
      const { accessToken } = await t.api.signUp();
      expect(await t.api.me(respelt(accessToken))).toMatchObject(INVALID);
      expect((await t.api.me(accessToken)).status).toBe(200);
      expect(await t.api.me(respelt(accessToken))).toMatchObject(INVALID);
    }
  });

  it('An unsigned access token is refused, whichever algorithm its header names', async () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const alg of ['none', 'NONE', 'HS256', 'ES256']) {
      expect(
        await t.api.me(`${part({ alg, typ: 'at+jwt', kid: key.id })}.${part(claimsOf(me.accessToken))}.`),
      ).toMatchObject(INVALID);
    }
  });

  it('Tokens with a wrong secret, body, signature or form all get the same 401', async () => {
    const [header, claims, signature] = me.accessToken.split('.');
    const admin = Buffer.from(JSON.stringify({ ...claimsOf(me.accessToken), sub: other.user.id })).toString(
      'base64url',
    );
    const bodies = new Set<string>();
    for (const token of [
      resignWith(me, { ...generateKey(), id: key.id }),
      resignWith(me, generateKey()),
      resignWith(me, SECRETS.JWT_SECRET),
      resignWith(me, 'another-secret-of-at-least-32-bytes!'),
      resignWith(me, ''),
      `${header}.${admin}.${signature}`,
      `${header}.${claims}.${signature!.slice(0, -2)}`,
      `${header}.${claims}`,
      `${header}.${claims}.${signature}.x`,
      `${header}..${signature}`,
      '...',
      'ey',
      '\u00ff',
    ]) {
      const { status, body } = await t.api.me(token);
      const { requestId, ...rest } = body;
      expect(status).toBe(401);
      bodies.add(JSON.stringify(rest));
    }
    expect([...bodies]).toHaveLength(1);
  });

  it('An access token whose secret is our public key is refused, however that is written', async () => {
    const secrets = [
      key.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      JSON.stringify(key.jwk),
      JSON.stringify({ ...key.jwk, kid: key.id, use: 'sig', alg: 'ES256' }),
    ];
    for (const secret of secrets) {
      for (const header of [{}, { kid: key.id }, { kid: key.id, alg: 'ES256' }]) {
        expect(await t.api.me(resignWith(me, secret, {}, header))).toMatchObject(INVALID);
      }
    }
  });

  it('An access token signed with an RSA key of an attacker is refused', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const content = `${part({ alg: 'RS256', typ: 'at+jwt', kid: key.id })}.${part(claimsOf(me.accessToken))}`;
    const signature = createSign('RSA-SHA256').update(content).sign(privateKey, 'base64url');
    expect(await t.api.me(`${content}.${signature}`)).toMatchObject(INVALID);
  });
});

describe('after all of this', () => {
  it('Both sessions are still accepted after every forged token was refused', async () => {
    expect((await t.api.me(me.accessToken)).status).toBe(200);
    expect((await t.api.me(other.accessToken)).status).toBe(200);
  });
});
