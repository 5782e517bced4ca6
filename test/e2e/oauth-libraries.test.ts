import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff, type TestClient } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { useInstances } from '../support/instances.js';

// What libraries find under the address alone. The second instance is called what its tokens are issued by.
const ISSUER = 'https://auth.example.com/latchkey';
let ports: number[];
beforeAll(async () => {
  ports = [await freePort(), await freePort(), await freePort()];
});
const t = useInstances(3, {
  env: (index) => {
    const port = String(ports[index]);
    const own = { PORT: port, PUBLIC_URL: `http://127.0.0.1:${port}${index === 0 ? '/' : ''}` };
    return { ...own, ...[{}, { JWT_ISSUER: ISSUER }, { JWT_ALGORITHM: 'HS256' }][index] };
  },
});

let issuer: URL;
let staff: AuthResult;
let client: TestClient;

beforeAll(async () => {
  issuer = new URL(t.a.url);
  staff = await signUpStaff(t.a, t.database);
  client = await addClient(t.a, staff, 'introspect', 'revoke');
});

const metadataAt = async (index: number) =>
  (await t.instances[index]!.api.call('GET', '/.well-known/oauth-authorization-server')).body;

it('The metadata has what exists, at PUBLIC_URL, which is the issuer where JWT_ISSUER is no URL', async () => {
  const url = t.a.url;
  expect(await metadataAt(0)).toEqual({
    issuer: url,
    jwks_uri: `${url}/.well-known/jwks.json`,
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint: `${url}/oauth/token`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    introspection_endpoint: `${url}/oauth/introspect`,
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    introspection_signing_alg_values_supported: ['ES256'],
    revocation_endpoint: `${url}/oauth/revoke`,
    revocation_endpoint_auth_methods_supported: expect.arrayContaining(['none', 'client_secret_basic']),
    global_token_revocation_endpoint: `${url}/oauth/global-token-revocation`,
    global_token_revocation_endpoint_auth_methods_supported: ['client_secret_basic'],
  });
});

it('The metadata names JWT_ISSUER where that is a URL, and no keys under HS256', async () => {
  expect(await metadataAt(1)).toMatchObject({
    issuer: ISSUER,
    introspection_endpoint: `${t.b.url}/oauth/introspect`,
  });
  const names = Object.keys(await metadataAt(2));
  expect(names.filter((name) => /jwks|signing/.test(name))).toEqual([]);
});

it('Every endpoint that the metadata names is there', async () => {
  const endpoints = Object.entries<string>(await metadataAt(0)).filter(([name]) => /_endpoint$|_uri$/.test(name));
  for (const [name, url] of endpoints) {
    const { status } = await fetch(url, { method: name === 'jwks_uri' ? 'GET' : 'POST' });
    expect([name, status === 404 || status === 405]).toEqual([name, false]);
  }
});

it('Any page may read the metadata, and it is not for one of them alone', async () => {
  const response = await fetch(new URL('/.well-known/oauth-authorization-server', issuer), {
    headers: { origin: 'https://elsewhere.example' },
  });
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
  expect(response.headers.has('access-control-allow-credentials')).toBe(false);
  expect(response.headers.get('cache-control')).toBe('no-store');
});

describe.each([
  ['HTTP Basic', () => openid.ClientSecretBasic(client.clientSecret)],
  ['the form', () => openid.ClientSecretPost(client.clientSecret)],
])('openid-client, authenticated by %s,', (_, authentication) => {
  const discover = (metadata: Partial<openid.ClientMetadata> = {}) =>
    openid.discovery(issuer, client.id, metadata, authentication(), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });

  it('introspects tokens', async () => {
    const config = await discover();
    const { accessToken, refreshToken, user } = await t.a.signUp();
    expect(await openid.tokenIntrospection(config, accessToken)).toMatchObject({ active: true, sub: user.id });
    expect(await openid.tokenIntrospection(config, refreshToken, { token_type_hint: 'refresh_token' })).toMatchObject({
      active: true,
      token_type: 'refresh_token',
    });
    await t.a.logout(refreshToken);
    expect(await openid.tokenIntrospection(config, accessToken)).toEqual({ active: false });
  });

  it('introspects tokens with signed answers, whose signature it verifies by the published keys', async () => {
    const config = await discover({ introspection_signed_response_alg: 'ES256' });
    openid.enableNonRepudiationChecks(config);
    const { accessToken, refreshToken, user } = await t.a.signUp();
    expect(await openid.tokenIntrospection(config, accessToken)).toMatchObject({ active: true, sub: user.id });
    await t.a.logout(refreshToken);
    expect(await openid.tokenIntrospection(config, accessToken)).toEqual({ active: false });
  });

  it('revokes tokens', async () => {
    const config = await discover();
    for (const kind of ['accessToken', 'refreshToken'] as const) {
      const login = await t.a.signUp();
      await openid.tokenRevocation(config, login[kind]);
      expect(await openid.tokenIntrospection(config, login.accessToken)).toEqual({ active: false });
      expect(await openid.tokenIntrospection(config, login.refreshToken)).toEqual({ active: false });
    }
  });

  it('reports what is refused', async () => {
    const config = await openid.discovery(issuer, client.id, {}, openid.ClientSecretBasic('wrong'), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    await expect(openid.tokenIntrospection(config, 'x')).rejects.toMatchObject({
      cause: [expect.objectContaining({ scheme: 'basic' })],
    });
    const own = await discover();
    await expect(openid.tokenIntrospection(own, '')).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  });
});

describe('oauth4webapi', () => {
  const insecure = { [oauth.allowInsecureRequests]: true };
  let server: oauth.AuthorizationServer;

  beforeAll(async () => {
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
    server = await oauth.processDiscoveryResponse(issuer, response);
  });

  it('introspects tokens, with signed answers too', async () => {
    const { accessToken, session } = await t.a.signUp();
    const authentication = oauth.ClientSecretBasic(client.clientSecret);
    for (const requestJwtResponse of [false, true]) {
      const self = { client_id: client.id, introspection_signed_response_alg: 'ES256' };
      const response = await oauth.introspectionRequest(server, self, authentication, accessToken, {
        requestJwtResponse,
        ...insecure,
      });
      const copy = response.clone();
      expect(copy.headers.get('content-type')).toMatch(requestJwtResponse ? /token-introspection\+jwt/ : /json/);
      expect(await oauth.processIntrospectionResponse(server, self, response)).toMatchObject({
        active: true,
        sid: session.id,
      });
    }
  });

  it('revokes tokens, with a client and without one', async () => {
    for (const authentication of [oauth.ClientSecretBasic(client.clientSecret), oauth.None()]) {
      const { accessToken, refreshToken } = await t.a.signUp();
      const self = { client_id: client.id };
      const response = await oauth.revocationRequest(server, self, authentication, refreshToken, insecure);
      await oauth.processRevocationResponse(response);
      expect((await t.a.me(accessToken)).status).toBe(401);
    }
  });

  it('reports the errors of OAuth', async () => {
    const other = await addClient(t.a, staff, 'verify');
    const self = { client_id: other.id };
    const authentication = oauth.ClientSecretPost(other.clientSecret);
    const response = await oauth.introspectionRequest(server, self, authentication, 'x', insecure);
    await expect(oauth.processIntrospectionResponse(server, self, response)).rejects.toMatchObject({
      error: 'insufficient_scope',
      status: 403,
    });
  });
});
