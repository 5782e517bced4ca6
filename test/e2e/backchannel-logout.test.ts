import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { type AuthResult, PASSWORD } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

const t = useInstances(2, { hasMissingRows: true });
const receivers: TestReceiver[] = [];
let staff: AuthResult;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

afterAll(() => Promise.all(receivers.map((receiver) => receiver.stop())));

const add = (body: Record<string, unknown>) =>
  t.a.call('POST', '/admin/receivers', { bearer: staff.accessToken, body });

it('A relying party gets a logout token for each session that ends, which jose verifies by the published keys', async () => {
  const receiver = await TestReceiver.open();
  receivers.push(receiver);
  const { body, status } = await add({
    url: receiver.url,
    kind: 'backchannel_logout',
    events: ['session.revoked', 'session.expired'],
    audience: 'billing',
  });
  expect([status, body.secret]).toEqual([201, null]);
  const device = await t.b.signUp();
  const other = await t.b.signIn(device.credentials);
  await t.a.logout(device.refreshToken);
  const [sent] = await until('a logout token', () => receiver.received.length > 0 && receiver.received);
  expect(sent!.headers['content-type']).toBe('application/x-www-form-urlencoded');
  const token = new URLSearchParams(sent!.body).get('logout_token')!;
  const keys = createRemoteJWKSet(new URL(`${t.instances[0]!.url}/.well-known/jwks.json`));
  const { payload } = await jwtVerify(token, keys, {
    issuer: 'http://localhost:3000',
    audience: 'billing',
    typ: 'logout+jwt',
    requiredClaims: ['iat', 'exp', 'jti'],
  });
  expect(payload).toMatchObject({
    sub: device.user.id,
    sid: device.session.id,
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  });
  expect(payload).not.toHaveProperty('nonce');
  // Never an access token, though the same keys sign those.
  expect((await t.a.me(token)).status).toBe(401);
  expect((await t.a.me(other.accessToken)).status).toBe(200);
});

it('A relying party can be told of ends alone', async () => {
  const { status, body } = await add({
    url: 'http://127.0.0.1:1/',
    kind: 'backchannel_logout',
    events: ['session.created'],
  });
  expect([status, body.errors[0].field]).toEqual([400, 'events']);
});

const tokenOf = ({ body }: { body: string }): string => new URLSearchParams(body).get('logout_token')!;

/** As section 2.6 of the specification has it. Fails where a relying party would answer 400. */
async function verified(token: string, audience: string) {
  const keys = createRemoteJWKSet(new URL(`${t.instances[0]!.url}/.well-known/jwks.json`));
  const { payload } = await jwtVerify(token, keys, {
    issuer: 'http://localhost:3000',
    audience,
    typ: 'logout+jwt',
    algorithms: ['ES256'],
    maxTokenAge: '2 minutes',
    requiredClaims: ['iat', 'exp', 'jti', 'events'],
  });
  expect(payload['sub'] ?? payload['sid']).toEqual(expect.any(String));
  expect(payload['events']).toEqual({ 'http://schemas.openid.net/event/backchannel-logout': {} });
  expect(payload).not.toHaveProperty('nonce');
  return payload;
}

it('A deletion of an account is a token for each session and one with no sid, whose audience is the id of the receiver', async () => {
  const receiver = await TestReceiver.open();
  receivers.push(receiver);
  const { body } = await add({
    url: receiver.url,
    kind: 'backchannel_logout',
    events: ['session.revoked', 'session.expired', 'user.deleted'],
  });
  const device = await t.a.signUp();
  const other = await t.a.signIn(device.credentials);
  await t.b.call('POST', '/auth/me/delete', { bearer: device.accessToken, body: { password: PASSWORD } });
  await until('three tokens', () => receiver.received.length === 3);
  const payloads = await Promise.all(receiver.received.map((one) => verified(tokenOf(one), body.id)));
  expect(payloads.map(({ sub }) => sub)).toEqual([device.user.id, device.user.id, device.user.id]);
  expect(new Set(payloads.map((payload) => payload['sid']))).toEqual(
    new Set([device.session.id, other.session.id, undefined]),
  );
  // As a claim that is null would not be.
  expect(payloads.filter((payload) => !('sid' in payload))).toHaveLength(1);
});

it.each([
  [400, 'waiting'],
  [501, 'waiting'],
  [200, 'delivered'],
  [204, 'delivered'],
])(
  'A relying party that answers %i has its token as %s, and has the same jti at every attempt',
  async (status, state) => {
    const receiver = await TestReceiver.open();
    receivers.push(receiver);
    receiver.answer = (_, response) => response.writeHead(status).end('{"error":"invalid_request"}');
    const { body } = await add({ url: receiver.url, kind: 'backchannel_logout', events: ['session.revoked'] });
    const device = await t.b.signUp();
    await t.a.logout(device.refreshToken);
    const deliveries = () => t.a.call('GET', `/admin/receivers/${body.id}/deliveries`, { bearer: staff.accessToken });
    const [delivery] = await until('it is noted', async () => {
      const { items } = (await deliveries()).body;
      return items[0]?.status === status && items;
    });
    expect(delivery.state).toBe(state);
    receiver.answer = null;
    const path = `/admin/receivers/${body.id}/deliveries/${delivery.id}/redeliver`;
    expect((await t.a.call('POST', path, { bearer: staff.accessToken })).status).toBe(202);
    await until('it was sent once more', () => receiver.received.length >= 2);
    for (const one of receiver.received) {
      const payload = await verified(tokenOf(one), body.id);
      expect([payload.jti, payload['sid']]).toEqual([delivery.id, device.session.id]);
      expect(decodeProtectedHeader(tokenOf(one))).toEqual({ alg: 'ES256', typ: 'logout+jwt', kid: expect.any(String) });
    }
  },
);
