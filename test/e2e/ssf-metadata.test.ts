import { addClient, basic, signUpStaff } from '../support/clients.js';
import { type Instance, startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { ISSUER, POLL, PUSH, SsfReceiver } from '../support/ssf.js';

// What a receiver is told before it has a stream: openid-ssf-transmitter-metadata of the OpenID conformance suite, in our words.
const t = useInstances(1);
const others: Instance[] = [];
afterAll(() => Promise.all(others.map((instance) => instance.kill('SIGTERM'))));

async function instanceWith(env: Record<string, string>): Promise<Instance> {
  const instance = await startInstance({ env: { DATABASE_URL: t.database.url, ...env } });
  others.push(instance);
  return instance;
}

const CONFIGURATION = '/.well-known/ssf-configuration';

it('The metadata says where everything is, to any origin, in the types of the standard and with no member that is empty', async () => {
  const { status, body, headers } = await t.a.call('GET', CONFIGURATION);
  expect([status, headers.get('content-type'), headers.get('access-control-allow-origin')]).toEqual([
    200,
    expect.stringMatching(/^application\/json\b/),
    '*',
  ]);
  expect(body).toEqual({
    spec_version: '1_0',
    issuer: ISSUER,
    jwks_uri: `${ISSUER}/.well-known/jwks.json`,
    delivery_methods_supported: [PUSH, POLL],
    configuration_endpoint: `${ISSUER}/ssf/streams`,
    status_endpoint: `${ISSUER}/ssf/status`,
    verification_endpoint: `${ISSUER}/ssf/verify`,
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
    signing_alg_values_supported: ['RS256', 'ES256'],
    default_subjects: 'ALL',
    critical_subject_members: ['user', 'session'],
  });
});

it('Each endpoint that the metadata names is there, and the key set has keys', async () => {
  const { body } = await t.a.call('GET', CONFIGURATION);
  const at = (url: string) => url.slice(ISSUER.length);
  expect((await t.a.call('GET', at(body.jwks_uri))).body.keys.length).toBeGreaterThan(0);
  for (const [method, url] of [
    ['GET', body.configuration_endpoint],
    ['GET', `${body.status_endpoint}?stream_id=x`],
    ['POST', body.verification_endpoint],
  ]) {
    expect([url, (await t.a.call(method, at(url))).status]).toEqual([url, 401]);
  }
});

it('Under https all of it is https, and an issuer with a path is found where RFC 8615 has it', async () => {
  const { api } = await instanceWith({
    PUBLIC_URL: 'https://auth.example.com',
    JWT_ISSUER: 'https://auth.example.com/tenants/one',
  });
  const { status, body } = await api.call('GET', `${CONFIGURATION}/tenants/one`);
  expect([status, body.issuer]).toEqual([200, 'https://auth.example.com/tenants/one']);
  const urls = Object.entries(body as Record<string, string>).filter(([name]) => /_(endpoint|uri)$/.test(name));
  expect(urls).toHaveLength(4);
  for (const [name, url] of urls) expect([name, url]).toEqual([name, expect.stringMatching(/^https:/)]);
  expect((await api.call('GET', CONFIGURATION)).body).toEqual(body);
  for (const path of ['/tenants/two', '/tenants', '/tenants/one/more']) {
    expect([path, (await api.call('GET', CONFIGURATION + path)).status]).toEqual([path, 404]);
  }
  // There is nothing to append where the issuer has no path.
  expect((await t.a.call('GET', `${CONFIGURATION}/tenants/one`)).status).toBe(404);
});

it('Where there are no public keys there is no metadata, and no stream can be made', async () => {
  const staff = await signUpStaff(t.a, t.database);
  const client = await addClient(t.a, staff, 'signals');
  const { api } = await instanceWith({ JWT_ALGORITHM: 'HS256' });
  const found = await api.call('GET', CONFIGURATION);
  expect([found.status, found.body.code]).toEqual([404, 'no_shared_signals']);
  const created = await new SsfReceiver(api, client).call('POST', 'streams', {});
  expect([created.status, created.body.code]).toEqual([404, 'no_shared_signals']);
  const token = await api.call('POST', '/oauth/token', {
    headers: { authorization: basic(client), 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials',
  });
  expect([token.status, token.body.error]).toEqual([400, 'unsupported_grant_type']);
});
