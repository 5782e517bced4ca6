import { createHmac, sign } from 'node:crypto';
import { createVerifier } from '../../src/verifier/index.js';
import type { KeyPair } from '../../src/keys/signing-key.js';
import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff, type TestClient } from '../support/clients.js';
import { claimsOf, resign, signingKeyOf } from '../support/forge.js';
import { publishRs256 } from '../support/keys.js';
import { useInstances } from '../support/instances.js';
import { Introspector } from '../support/introspection.js';
import { makeVerifier, verdictOf } from '../support/verifiers.js';

// Keys of RS256 sign what is sent to receivers. Nothing that comes to Latchkey, or to its verifiers, is verified with one.
const t = useInstances(2);
let client: TestClient;
let login: AuthResult;
let ec: KeyPair;
let rsa: KeyPair;

beforeAll(async () => {
  client = await addClient(t.a, await signUpStaff(t.a, t.database), 'verify', 'introspect');
  login = await t.a.signUp();
  ec = await signingKeyOf(t.database);
  await publishRs256(t.a, t.database);
  rsa = await signingKeyOf(t.database, { algorithm: 'RS256' });
});

/** The claims of a good access token, with a header, and signed in some way. */
function forged(header: { alg: string; kid: string }, signatureOf: (content: string) => Buffer): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const content = `${part({ ...header, typ: 'at+jwt' })}.${part(claimsOf(login.accessToken))}`;
  return `${content}.${signatureOf(content).toString('base64url')}`;
}

const bySigning =
  (key: KeyPair, options: object = {}) =>
  (content: string) =>
    sign('sha256', Buffer.from(content), { key: key.privateKey, dsaEncoding: 'ieee-p1363', ...options });
const PSS = { padding: 6, saltLength: 32 };

const FORGED: Record<string, () => string> = {
  'is signed with the key of RS256, and says so': () => forged({ alg: 'RS256', kid: rsa.id }, bySigning(rsa)),
  'is signed with the key of RS256, and says ES256': () => forged({ alg: 'ES256', kid: rsa.id }, bySigning(rsa)),
  'is signed with the key of RS256, and names that of ES256': () =>
    forged({ alg: 'RS256', kid: ec.id }, bySigning(rsa)),
  'is signed with the key of RS256 under PS256': () => forged({ alg: 'PS256', kid: rsa.id }, bySigning(rsa, PSS)),
  'is signed with the key of ES256, and names that of RS256': () =>
    forged({ alg: 'ES256', kid: rsa.id }, bySigning(ec)),
  'is signed under HS256 with the published key of RS256': () =>
    forged({ alg: 'HS256', kid: rsa.id }, (content) =>
      createHmac('sha256', rsa.publicKey.export({ type: 'spki', format: 'pem' }))
        .update(content)
        .digest(),
    ),
};

it('The same claims are accepted everywhere when the key of ES256 signs them', async () => {
  const token = resign(login, ec);
  const service = new Introspector(t.b, client);
  expect([(await t.a.me(token)).status, (await t.b.call('GET', '/verify', { bearer: token })).status]).toEqual([
    200, 200,
  ]);
  expect((await service.ask(token)).active).toBe(true);
  expect((await service.batch([token])).body.results).toEqual([expect.objectContaining({ active: true })]);
  expect(await verdictOf(makeVerifier(t.b.url, client).verifier.verify(token))).toBe('accepted');
  expect(await verdictOf(createVerifier({ url: t.b.url, mode: 'signature' }).verify(token))).toBe('accepted');
});

it.each(Object.keys(FORGED))('An access token that %s is accepted nowhere', async (how) => {
  const token = FORGED[how]!();
  for (const api of [t.a, t.b]) {
    expect(await api.me(token)).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
    expect((await api.call('GET', '/verify', { bearer: token })).status).toBe(401);
    const service = new Introspector(api, client);
    expect(await service.ask(token)).toEqual({ active: false });
    expect((await service.batch([token])).body).toEqual({ results: [{ active: false }] });
    expect(await verdictOf(makeVerifier(api.url, client).verifier.verify(token))).toBe('invalid_token');
    expect(await verdictOf(createVerifier({ url: api.url, mode: 'signature' }).verify(token))).toBe('invalid_token');
  }
});
