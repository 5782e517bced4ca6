import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { AuthResult } from '../support/api.js';
import { addClient, basic, postForm, signUpStaff, type TestClient } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

// What the OpenID conformance plan for transmitters asks, told again.
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type';
const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification';
const [PUSH, POLL] = ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'];
const ISSUER = 'http://localhost:3000';

const t = useInstances(2);
const receivers: TestReceiver[] = [];
let staff: AuthResult;
let client: TestClient;
let other: TestClient;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  client = await addClient(t.a, staff, 'signals');
  other = await addClient(t.a, staff, 'signals');
});

afterAll(() => Promise.all(receivers.map((receiver) => receiver.stop())));

const ssf = (method: string, path: string, body?: unknown, by: TestClient = client) =>
  t.a.call(method, `/ssf/${path}`, { headers: { authorization: basic(by) }, ...(body !== undefined && { body }) });

async function verified(token: string) {
  const keys = createRemoteJWKSet(new URL(`${t.instances[1]!.url}/.well-known/jwks.json`));
  const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: client.id, typ: 'secevent+jwt' });
  expect(payload).not.toHaveProperty('sub');
  expect(payload).not.toHaveProperty('exp');
  return payload as { jti: string; sub_id: unknown; events: Record<string, Record<string, unknown>> };
}

async function createPushed(events = [`${CAEP}/session-revoked`]) {
  const receiver = await TestReceiver.open();
  receivers.push(receiver);
  receiver.answer = (_, response) => response.writeHead(202).end();
  const { status, body } = await ssf('POST', 'streams', {
    delivery: { method: PUSH, endpoint_url: receiver.url, authorization_header: 'Bearer of-the-receiver' },
    events_requested: events,
  });
  expect(status).toBe(201);
  return { receiver, stream: body };
}

it('The metadata says where everything is', async () => {
  const { status, body, headers } = await t.a.call('GET', '/.well-known/ssf-configuration');
  expect([status, headers.get('access-control-allow-origin')]).toEqual([200, '*']);
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
  });
});

it('A stream is created, read, changed, replaced and deleted by its client, and found by no other', async () => {
  const { stream } = await createPushed([`${CAEP}/session-revoked`, 'https://example.com/event-type/unknown']);
  const id = stream.stream_id;
  expect(stream).toMatchObject({
    iss: ISSUER,
    aud: client.id,
    events_requested: [`${CAEP}/session-revoked`, 'https://example.com/event-type/unknown'],
    events_delivered: [`${CAEP}/session-revoked`],
    delivery: { method: PUSH, endpoint_url: expect.any(String) },
  });
  expect(stream.events_supported).toHaveLength(3);
  expect(JSON.stringify(stream)).not.toContain('of-the-receiver');
  expect((await ssf('GET', `streams?stream_id=${id}`)).body).toEqual(stream);
  expect((await ssf('GET', 'streams')).body).toContainEqual(stream);

  const changed = await ssf('PATCH', 'streams', { stream_id: id, events_requested: [`${CAEP}/credential-change`] });
  expect([changed.status, changed.body.events_delivered]).toEqual([200, [`${CAEP}/credential-change`]]);
  // A client may send back all that it got.
  const replaced = await ssf('PUT', 'streams', { ...changed.body, events_requested: undefined });
  expect([replaced.status, replaced.body.events_delivered]).toEqual([200, stream.events_supported]);

  for (const [method, path, body] of [
    ['GET', `streams?stream_id=${id}`],
    ['PATCH', 'streams', { stream_id: id }],
    ['DELETE', `streams?stream_id=${id}`],
    ['GET', `status?stream_id=${id}`],
    ['POST', 'status', { stream_id: id, status: 'disabled' }],
    ['POST', 'verify', { stream_id: id }],
    ['POST', `streams/${id}/poll`, {}],
  ] as const) {
    const answer = await ssf(method, path, body, other);
    expect([method, path, answer.status, answer.body.code]).toEqual([method, path, 404, 'stream_not_found']);
  }
  expect((await ssf('DELETE', `streams?stream_id=${id}`)).status).toBe(204);
  expect((await ssf('GET', `streams?stream_id=${id}`)).status).toBe(404);
});

it('Without a client that may, nothing of it is answered', async () => {
  const stranger = await addClient(t.a, staff, 'verify');
  expect((await t.a.call('GET', '/ssf/streams')).status).toBe(401);
  expect((await ssf('GET', 'streams', undefined, stranger)).status).toBe(403);
});

it('A pushed stream gets a token for each session that ends, which jose verifies, with the header that it asked for', async () => {
  const { receiver, stream } = await createPushed();
  const device = await t.b.signUp();
  await t.a.logout(device.refreshToken);
  const [sent] = await until('an event', () => receiver.received.length > 0 && receiver.received);
  expect(sent!.headers).toMatchObject({
    'content-type': 'application/secevent+jwt',
    authorization: 'Bearer of-the-receiver',
    accept: 'application/json',
  });
  const { sub_id, events } = await verified(sent!.body);
  expect(sub_id).toEqual({
    format: 'complex',
    user: { format: 'iss_sub', iss: ISSUER, sub: device.user.id },
    session: { format: 'opaque', id: device.session.id },
  });
  expect(events).toEqual({
    [`${CAEP}/session-revoked`]: {
      event_timestamp: expect.any(Number),
      initiating_entity: 'user',
      reason_admin: { en: 'logout' },
    },
  });
  expect((await ssf('DELETE', `streams?stream_id=${stream.stream_id}`)).status).toBe(204);
});

it('A verification event has the state that the receiver sent', async () => {
  const { receiver, stream } = await createPushed();
  expect((await ssf('POST', 'verify', { stream_id: stream.stream_id, state: 'some state' })).status).toBe(204);
  const [sent] = await until('an event', () => receiver.received.length > 0 && receiver.received);
  const { sub_id, events } = await verified(sent!.body);
  expect(sub_id).toEqual({ format: 'opaque', id: stream.stream_id });
  expect(events).toEqual({ [VERIFICATION]: { state: 'some state' } });
});

it('A paused stream gets later what happens meanwhile, and a disabled one never', async () => {
  const { receiver, stream } = await createPushed();
  const id = stream.stream_id;
  const set = (status: string) => ssf('POST', 'status', { stream_id: id, status, reason: 'a test' });
  expect((await set('paused')).body).toEqual({ stream_id: id, status: 'paused', reason: 'a test' });
  const first = await t.b.signUp();
  await t.a.logout(first.refreshToken);
  await set('enabled');
  await until('the event', () => receiver.received.length === 1);
  expect((await ssf('GET', `status?stream_id=${id}`)).body).toMatchObject({ status: 'enabled' });

  await set('disabled');
  const second = await t.b.signUp();
  await t.a.logout(second.refreshToken);
  await set('enabled');
  await ssf('POST', 'verify', { stream_id: id, state: 'last' });
  await until('what came after', () => receiver.received.length > 1);
  const events = await Promise.all(receiver.received.map(({ body }) => verified(body)));
  expect(events.map(({ events: one }) => Object.keys(one)[0])).toEqual([`${CAEP}/session-revoked`, VERIFICATION]);
});

it('A polled stream is fetched in order, again until it is acknowledged', async () => {
  const { status, body } = await ssf('POST', 'streams', { delivery: { method: POLL } });
  expect([status, body.delivery]).toEqual([
    201,
    { method: POLL, endpoint_url: `${ISSUER}/ssf/streams/${body.stream_id}/poll` },
  ]);
  const poll = async (request: Record<string, unknown>) =>
    (await ssf('POST', `streams/${body.stream_id}/poll`, request)).body as {
      sets: Record<string, string>;
      moreAvailable: boolean;
    };
  expect(await poll({ returnImmediately: true })).toEqual({ sets: {}, moreAvailable: false });

  const waiting = poll({ maxEvents: 1 });
  const device = await t.b.signUp();
  const first = await waiting;
  await t.a.logout(device.refreshToken);
  const nameOf = async (token: string) => Object.keys((await verified(token)).events)[0];
  const [established] = Object.keys(first.sets);
  expect(await nameOf(first.sets[established!]!)).toBe(`${CAEP}/session-established`);

  const both = await until('both', async () => {
    const found = await poll({ returnImmediately: true });
    return Object.keys(found.sets).length === 2 && found;
  });
  expect(Object.keys(both.sets)[0]).toBe(established);
  const rest = await poll({ returnImmediately: true, ack: [established!] });
  const [revoked] = Object.keys(rest.sets);
  expect(await nameOf(rest.sets[revoked!]!)).toBe(`${CAEP}/session-revoked`);
  const setErrs = { [revoked!]: { err: 'invalid_key', description: 'not known here' } };
  expect(await poll({ returnImmediately: true, setErrs })).toEqual({ sets: {}, moreAvailable: false });
  const [kept] = await t.database.query('SELECT state, answer FROM deliveries WHERE id = $1', [revoked]);
  expect(kept).toEqual({ state: 'dead', answer: 'invalid_key not known here' });
});

it('A receiver gets a token for its secret, by which it is known until it ends', async () => {
  const short = await addClient(t.a, staff, 'signals', 'verify');
  const { status, body, headers } = await postForm(
    t.b,
    '/oauth/token',
    { grant_type: 'client_credentials' },
    { authorization: basic(short) },
  );
  expect([status, headers.get('cache-control')]).toEqual([200, expect.stringContaining('no-store')]);
  expect(body).toEqual({
    access_token: expect.any(String),
    token_type: 'Bearer',
    expires_in: 600,
    scope: 'signals',
  });
  const list = (bearer: string) => t.a.call('GET', '/ssf/streams', { bearer });
  expect((await list(body.access_token)).status).toBe(200);
  // Of no person, and for nothing else.
  expect((await t.a.me(body.access_token)).status).toBe(401);
  expect((await t.a.call('POST', '/verify/batch', { bearer: body.access_token, body: { tokens: ['x'] } })).status).toBe(
    401,
  );
  const { accessToken } = await t.a.signUp();
  for (const wrong of [accessToken, `${body.access_token}x`, 'x']) {
    const refused = await list(wrong);
    expect([refused.status, refused.body.code]).toEqual([401, 'invalid_token']);
  }
  await t.a.call('DELETE', `/admin/clients/${short.id}`, { bearer: staff.accessToken });
  expect((await list(body.access_token)).status).toBe(401);
});

it.each([
  ['another grant', { grant_type: 'authorization_code' }, 'unsupported_grant_type'],
  ['another scope', { grant_type: 'client_credentials', scope: 'verify' }, 'invalid_scope'],
  ['no grant', {}, 'invalid_request'],
])('There is no token for %s', async (_, form, error) => {
  const { status, body } = await postForm(t.a, '/oauth/token', form as Record<string, string>, {
    authorization: basic(client),
  });
  expect([status, body.error]).toEqual([400, error]);
});
