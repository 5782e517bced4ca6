import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { AuthResult } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

const t = useInstances(2);
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
