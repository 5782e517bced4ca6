import { createRemoteJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff, type TestClient } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { INACTIVE, Introspector } from '../support/introspection.js';
import { publishedBy, rotateKeys } from '../support/keys.js';

const SIGNED = 'application/token-introspection+jwt';
const JSON_TYPE = 'application/json; charset=utf-8';

const t = useInstances(2, {
  env: (index) => ({ PUBLIC_URL: 'https://auth.example.com', ...(index === 1 && { JWT_ALGORITHM: 'HS256' }) }),
});

let staff: AuthResult;
let client: TestClient;
let service: Introspector;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  client = await addClient(t.a, staff, 'introspect');
  service = new Introspector(t.a, client);
});

/** A signed answer, by the published keys. */
async function verified(text: string): Promise<JWTPayload> {
  const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', t.a.url));
  const { payload } = await jwtVerify(text, keys, {
    algorithms: ['ES256'],
    typ: 'token-introspection+jwt',
    issuer: 'https://auth.example.com',
    audience: client.id,
  });
  return payload;
}

it('A signed answer says for whom and when it was made, and has the whole answer in one claim', async () => {
  const { accessToken, refreshToken } = await t.a.signUp();
  for (const token of [accessToken, refreshToken, 'garbage']) {
    const plain = await service.ask(token);
    const { status, headers, text } = await service.send({ token }, { accept: SIGNED });
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([200, SIGNED, 'no-store']);
    expect(Object.keys(decodeProtectedHeader(text)).toSorted()).toEqual(['alg', 'kid', 'typ']);
    const payload = await verified(text);
    expect(payload).toEqual({
      token_introspection: plain,
      iss: 'https://auth.example.com',
      aud: client.id,
      iat: expect.any(Number),
    });
    expect(Math.abs(payload.iat! - Date.now() / 1000)).toBeLessThan(60);
  }
});

it('A signed answer is no access token', async () => {
  const { accessToken } = await t.a.signUp();
  const { text } = await service.send({ token: accessToken }, { accept: SIGNED });
  expect((await t.a.me(text)).status).toBe(401);
  expect((await service.send({ token: text })).text).toBe(INACTIVE);
});

it.each([
  ['', JSON_TYPE],
  ['*/*', JSON_TYPE],
  ['application/*', JSON_TYPE],
  ['application/json', JSON_TYPE],
  ['text/html', JSON_TYPE],
  [`application/json, ${SIGNED};q=0.9`, JSON_TYPE],
  [`${SIGNED};q=0`, JSON_TYPE],
  ['nonsense;;;', JSON_TYPE],
  [SIGNED, SIGNED],
  [SIGNED.toUpperCase(), SIGNED],
  [`${SIGNED}, application/json`, SIGNED],
  [`application/json;q=0.5, ${SIGNED}`, SIGNED],
  [`${SIGNED}, */*;q=0.1`, SIGNED],
])('"Accept: %s" is answered with %s', async (accept, type) => {
  const { status, headers } = await service.send({ token: 'x' }, { accept });
  expect([status, headers.get('content-type')]).toEqual([200, type]);
});

it('An answer is signed with the new key from the moment the former one has leaked', async () => {
  const { accessToken } = await t.a.signUp();
  const before = await service.send({ token: accessToken }, { accept: SIGNED });
  const [former] = await publishedBy(t.a);
  expect(decodeProtectedHeader(before.text).kid).toBe(former);

  expect((await rotateKeys(t.database.url, { args: ['--leaked'] })).code).toBe(0);

  const { text } = await service.send({ token: accessToken }, { accept: SIGNED });
  expect(decodeProtectedHeader(text).kid).not.toBe(former);
  // And the token of the leaked key is not active any more.
  expect((await verified(text))['token_introspection']).toEqual({ active: false });
});

it('Under HS256 a client that takes signed answers alone is told that there are none, and others get JSON', async () => {
  const hs256 = service.at(t.b);
  const { accessToken } = await t.b.signUp();
  const refused = await hs256.send({ token: accessToken }, { accept: SIGNED });
  expect([refused.status, JSON.parse(refused.text)]).toEqual([
    406,
    { error: 'not_acceptable', error_description: expect.stringContaining('HS256') },
  ]);
  for (const accept of [`${SIGNED}, application/json;q=0.1`, `${SIGNED}, */*`]) {
    const { status, headers, text } = await hs256.send({ token: accessToken }, { accept });
    expect([status, headers.get('content-type'), JSON.parse(text).active]).toEqual([200, JSON_TYPE, true]);
  }
});
