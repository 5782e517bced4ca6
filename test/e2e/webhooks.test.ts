import { Webhook } from 'standardwebhooks';
import type { AuthResult } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { type Instance, startInstance } from '../support/instance.js';
import { useMailedInstances } from '../support/mailed-instances.js';
import { type Received, TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

const t = useMailedInstances(2);
const PRODUCTION = { NODE_ENV: 'production', LOG_LEVEL: 'info', TRUST_PROXY: '1' };
const receivers: TestReceiver[] = [];
let staff: AuthResult;
let production: Instance | undefined;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

afterAll(() => Promise.all([...receivers.map((receiver) => receiver.stop()), production?.kill('SIGTERM')]));

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

describe('a receiver that misbehaves', () => {
  it('One that never answers, and one that floods back megabytes, delay no other', async () => {
    const silent = await addReceiver(['session.revoked']);
    silent.receiver.answer = () => undefined;
    const flooding = await addReceiver(['session.revoked']);
    let isClosed = false;
    flooding.receiver.answer = (_, response) => {
      response.writeHead(200);
      const chunk = 'x'.repeat(65_536);
      const flood = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', flood).on('close', () => (isClosed = true));
      flood();
    };
    const well = await addReceiver(['session.revoked']);
    for (let i = 0; i < 12; i++) {
      const device = await t.b.signUp();
      await t.a.logout(device.refreshToken);
      await well.receiver.events('session.revoked', device.user.id);
    }
    // The control: the silent one was sent something, and has taken nothing.
    expect(silent.receiver.received.length).toBeGreaterThan(0);
    expect((await deliveriesOf(silent.id)).every(({ state }: { state: string }) => state === 'waiting')).toBe(true);
    await until('the flood is cut', () => isClosed);
    const [last] = await until('it is noted', async () => {
      const found = await deliveriesOf(flooding.id);
      return found.every(({ state }: { state: string }) => state === 'delivered') && found;
    });
    expect(last.answer).toHaveLength(200);
    for (const { id } of [silent, flooding]) expect((await admin('DELETE', `/${id}`)).status).toBe(204);
  }, 60_000);

  it('A redirect is not followed, and is no success', async () => {
    const target = await addReceiver(['session.expired']);
    const { receiver, id } = await addReceiver(['session.revoked']);
    receiver.answer = (_, response) => response.writeHead(307, { location: target.receiver.url }).end('elsewhere');
    const device = await t.b.signUp();
    await t.a.logout(device.refreshToken);
    await until('it was tried twice', () => receiver.received.length >= 2);
    expect((await deliveriesOf(id))[0]).toMatchObject({ state: 'waiting', status: 307, answer: 'elsewhere' });
    expect(target.receiver.received).toEqual([]);
    expect((await admin('DELETE', `/${id}`)).status).toBe(204);
  });

  it('One that says that it is gone is disabled, staff are mailed, and enabled again it gets what waited', async () => {
    const { receiver, id } = await addReceiver(['session.revoked']);
    receiver.answer = (_, response) => response.writeHead(410).end();
    const device = await t.b.signUp();
    await t.a.logout(device.refreshToken);
    const disabled = await until('it is disabled', async () => {
      const { body } = await admin('GET', `/${id}`);
      return body.disabledAt !== null && body;
    });
    expect(disabled.disabledReason).toBe('gone');
    const [mail] = await t.mailbox.await(staff.user.email, 'A receiver is disabled');
    expect(mail!.text).toContain(`Receiver: ${id}`);
    expect((await admin('POST', `/${id}/test`)).body.code).toBe('receiver_disabled');
    const events = await t.database.query(
      `SELECT outcome FROM audit_events WHERE type = 'receiver_disabled' AND note LIKE $1`,
      [`${id} %`],
    );
    expect(events).toEqual([{ outcome: 'failure' }]);

    receiver.answer = null;
    expect((await admin('PATCH', `/${id}`, { disabled: false })).body.disabledAt).toBeNull();
    await receiver.events('session.revoked', device.user.id, 2);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });
});

it('While a secret is replaced everything is signed with both', async () => {
  const { receiver, id, secret } = await addReceiver(['session.revoked']);
  const { status, body } = await admin('POST', `/${id}/secret`);
  expect([status, body.secret]).toEqual([201, expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/)]);
  expect(body.secret).not.toBe(secret);
  expect((await admin('POST', `/${id}/test`)).status).toBe(202);
  const [sent] = await until('the test', () => receiver.received.length > 0 && receiver.received);
  for (const one of [secret, body.secret]) {
    expect(new Webhook(one).verify(sent!.body, headersOf(sent!))).toMatchObject({ type: 'test', data: {} });
  }
  expect((await admin('GET', `/${id}`)).body.formerSecretUntil).toEqual(expect.any(String));
});

it('A delivery can be sent once more, with the same id', async () => {
  const { receiver, id } = await addReceiver(['session.revoked']);
  const device = await t.b.signUp();
  await t.a.logout(device.refreshToken);
  const [delivery] = await until('it is taken', async () => {
    const found = await deliveriesOf(id);
    return found.length > 0 && found.every(({ state }: { state: string }) => state === 'delivered') && found;
  });
  expect((await admin('POST', `/${id}/deliveries/${delivery.id}/redeliver`)).status).toBe(202);
  await receiver.events('session.revoked', device.user.id, 2);
  expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([delivery.id, delivery.id]);
  const unknown = await admin('POST', `/${id}/deliveries/${id}/redeliver`);
  expect([unknown.status, unknown.body.code]).toEqual([404, 'delivery_not_found']);
});

it('A session whose time is over is an event, once, though two instances look', async () => {
  const { receiver } = await addReceiver(['session.expired', 'session.revoked']);
  const [expired, used] = [await t.a.signUp(), await t.a.signUp()];
  const ENDED_AT = '2026-02-03T04:05:06.789Z';
  await t.database.query(`UPDATE sessions SET idle_expires_at = $2 WHERE id = $1`, [expired.session.id, ENDED_AT]);
  // Both were to be looked at by now; of one the time has moved since.
  await t.database.query(
    `UPDATE session_expiries SET look_at = now() - interval '1 minute' WHERE session_id = ANY($1)`,
    [[expired.session.id, used.session.id]],
  );
  const [event] = await until('the event', async () => receiver.events('session.expired', expired.user.id), 60);
  expect(event!.data).toEqual({
    userId: expired.user.id,
    sessionId: expired.session.id,
    reason: 'expired',
    endedBy: 'system',
  });
  // When it ended, and not when that was noticed: here and in the trail.
  expect(event!.timestamp).toBe(ENDED_AT);
  await until('the other is to be looked at later', async () => {
    const rows = await t.database.query(`SELECT FROM session_expiries WHERE session_id = $1 AND look_at > now()`, [
      used.session.id,
    ]);
    return rows.length === 1;
  });
  const lines = await t.database.query(`SELECT session_id, at FROM audit_events WHERE type = 'session_expired'`);
  expect(lines).toEqual([{ session_id: expired.session.id, at: new Date(ENDED_AT) }]);
  expect(receiver.received).toHaveLength(1);
}, 90_000);

it('A session whose row is put back, from a copy say, is no error, and is looked at when its time is over', async () => {
  const { session, accessToken } = await t.a.signUp();
  await t.database.query(`UPDATE session_expiries SET look_at = now() + interval '9 years' WHERE session_id = $1`, [
    session.id,
  ]);
  await t.database.query(`CREATE TABLE copied AS SELECT * FROM sessions WHERE id = $1`, [session.id]);
  await t.database.query(`DELETE FROM sessions WHERE id = $1`, [session.id]);
  expect((await t.a.me(accessToken)).status).toBe(401);
  await t.database.query(`INSERT INTO sessions SELECT * FROM copied`);
  expect((await t.a.me(accessToken)).status).toBe(200);
  expect(
    await t.database.query(
      `SELECT e.look_at = least(s.idle_expires_at, s.expires_at) AS "isItsTime"
       FROM session_expiries e JOIN sessions s ON s.id = e.session_id WHERE s.id = $1`,
      [session.id],
    ),
  ).toEqual([{ isItsTime: true }]);
});

it.each([
  ['an address of this machine', { url: 'https://127.0.0.1/hook' }, 'url'],
  ['no URL', { url: 'hook' }, 'url'],
  ['another kind', { kind: 'carrier_pigeon' }, 'kind'],
  ['a stream that is polled', { kind: 'ssf_poll' }, 'kind'],
  ['no events', { events: [] }, 'events'],
  ['an event that is not known', { events: ['session.paused'] }, 'events'],
  ['more than addresses', { include: ['password'] }, 'include'],
])('In production a receiver with %s is refused', async (_, wrong, field) => {
  production ??= await startInstance({ env: { DATABASE_URL: t.database.url, ...PRODUCTION } });
  const { status, body } = await production.api.call('POST', '/admin/receivers', {
    bearer: staff.accessToken,
    headers: { 'x-forwarded-proto': 'https' },
    body: { url: 'https://hooks.example.com/', kind: 'webhook', events: ['session.revoked'], ...wrong },
  });
  expect([status, body.errors?.[0]?.field]).toEqual([400, field]);
});
