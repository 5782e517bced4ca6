import { Webhook } from 'standardwebhooks';
import type { AuthResult } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { type Received, TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

const t = useInstances(2);
const receivers: TestReceiver[] = [];
let staff: AuthResult;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

afterAll(() => Promise.all(receivers.map((receiver) => receiver.stop())));

const admin = (method: string, path: string, body?: unknown) =>
  t.a.call(method, `/admin/receivers${path}`, { bearer: staff.accessToken, ...(body !== undefined && { body }) });

async function addReceiver(events: string[], others: Record<string, unknown> = {}) {
  const receiver = await TestReceiver.open();
  receivers.push(receiver);
  const { status, body } = await admin('POST', '', { url: receiver.url, kind: 'webhook', events, ...others });
  expect(status).toBe(201);
  return { receiver, id: body.id as string, secret: body.secret as string };
}

const deliveriesOf = async (id: string) => (await admin('GET', `/${id}/deliveries`)).body.items;

const headersOf = ({ headers }: Received) => ({
  'webhook-id': String(headers['webhook-id']),
  'webhook-timestamp': String(headers['webhook-timestamp']),
  'webhook-signature': String(headers['webhook-signature']),
});

it('A receiver gets what happens to a session, signed as Standard Webhooks has it', async () => {
  const { receiver, secret, id } = await addReceiver(['session.created', 'session.revoked']);
  const device = await t.b.signUp();
  const [created] = await receiver.events('session.created', device.user.id);
  expect(created).toEqual({
    type: 'session.created',
    timestamp: expect.any(String),
    data: { userId: device.user.id, sessionId: device.session.id },
  });
  await t.a.logout(device.refreshToken);
  const [revoked] = await receiver.events('session.revoked', device.user.id);
  expect(revoked!.data).toEqual({
    userId: device.user.id,
    sessionId: device.session.id,
    reason: 'logout',
    endedBy: 'self',
  });

  for (const one of receiver.received) {
    expect(new Webhook(secret).verify(one.body, headersOf(one))).toEqual(JSON.parse(one.body));
    expect(() => new Webhook(secret).verify(`${one.body} `, headersOf(one))).toThrow();
  }
  await until('it is noted', async () =>
    (await deliveriesOf(id)).every((delivery: { state: string }) => delivery.state === 'delivered'),
  );
  const [last] = await deliveriesOf(id);
  expect(last).toMatchObject({ id: receiver.received.at(-1)!.headers['webhook-id'], attempts: 1, status: 204 });
});

it('A receiver gets only the events that it asked for, and an address only where it asked for that', async () => {
  const { receiver: plain } = await addReceiver(['session.revoked']);
  const { receiver: named } = await addReceiver(['user.created', 'session.revoked'], { include: ['email'] });
  const device = await t.b.signUp();
  await t.a.logout(device.refreshToken);
  const [created] = await named.events('user.created', device.user.id);
  expect(created!.data).toEqual({ userId: device.user.id, email: device.user.email });
  await named.events('session.revoked', device.user.id);
  const [revoked] = await plain.events('session.revoked', device.user.id);
  expect(revoked!.data['email']).toBeUndefined();
  expect(plain.received.map(({ body }) => JSON.parse(body).type)).toEqual(['session.revoked']);
});

it('What a receiver does not take is sent again with the same id, in order for one session', async () => {
  const { receiver, id } = await addReceiver(['session.created', 'session.revoked']);
  let refused = 0;
  receiver.answer = (_, response) => {
    response.writeHead(refused++ < 2 ? 503 : 204).end(refused <= 2 ? 'not now\nstack trace' : undefined);
  };
  const device = await t.b.signUp();
  await t.a.logout(device.refreshToken);
  await receiver.events('session.revoked', device.user.id);
  const types = receiver.received.map(({ body }) => JSON.parse(body).type);
  expect(types).toEqual(['session.created', 'session.created', 'session.created', 'session.revoked']);
  expect(new Set(receiver.received.slice(0, 3).map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  expect(refused).toBe(4);
  await until('it is noted', async () => (await admin('GET', `/${id}`)).body.failingSince === null);
});
