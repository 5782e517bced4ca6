import type { AuthResult } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { type Devices, seedDevices } from '../support/devices.js';
import { freePort } from '../support/free-port.js';
import { useInstances } from '../support/instances.js';
import { TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

// Three days of failures. Time is moved in the database, and never waited for.
let METRICS_PORT: string;
beforeAll(async () => {
  METRICS_PORT = String(await freePort());
});
const t = useInstances(1, { env: () => ({ METRICS_PORT, LOG_LEVEL: 'silent' }) });
let staff: AuthResult;
let receiver: TestReceiver;
let id: string;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

beforeEach(async () => {
  receiver = await TestReceiver.open();
  const { body } = await admin('POST', '', { url: receiver.url, kind: 'webhook', events: ['session.revoked'] });
  id = body.id;
});

afterEach(async () => {
  expect((await admin('DELETE', `/${id}`)).status).toBe(204);
  await receiver.stop();
});

const admin = (method: string, path: string, body?: unknown) =>
  t.a.call(method, `/admin/receivers${path}`, { bearer: staff.accessToken, ...(body !== undefined && { body }) });

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
  const [, value] = new RegExp(`^latchkey_${name} (.+)$`, 'm').exec(text) ?? [];
  return Number(value);
}

/** Ends sessions, each of which is a delivery. */
async function endSessions(count: number): Promise<void> {
  const devices: Devices = await seedDevices(t.database, [t.a], count);
  for (const { refreshToken } of devices) await t.a.logout(refreshToken);
}

const refuse = () => (receiver.answer = (_, response) => response.writeHead(500).end('not today'));
const take = () => (receiver.answer = null);

interface Pause {
  readonly count: number;
  readonly seconds: number;
}

/** What waits until when, after so many failures. */
const pauseAfter = (failures: number, sql: string): Promise<Pause> =>
  until(`${failures} failures`, async () => {
    const [pause] = await t.database.query<Pause>(sql, [id]);
    return pause?.count === failures && pause.seconds > 0 && pause;
  });

it('A receiver that takes nothing has longer and longer pauses, of a minute at most, and gets all that waits when it is back', async () => {
  refuse();
  // All are there before the first is tried.
  await t.database.query(`UPDATE receivers SET retry_at = now() + interval '1 hour' WHERE id = $1`, [id]);
  await endSessions(20);
  await t.database.query('UPDATE receivers SET retry_at = now() WHERE id = $1', [id]);
  const pauses: number[] = [];
  for (let failures = 1; failures <= 8; failures++) {
    const { seconds } = await pauseAfter(
      failures,
      `SELECT failures AS count, extract(epoch FROM retry_at - now())::float AS seconds FROM receivers WHERE id = $1`,
    );
    pauses.push(2 ** Math.ceil(Math.log2(seconds)));
    await t.database.query('UPDATE receivers SET retry_at = now() WHERE id = $1', [id]);
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 64]);
  const [last] = await t.database.query<{ seconds: number }>(
    'SELECT extract(epoch FROM retry_at - now())::float AS seconds FROM receivers WHERE id = $1',
    [id],
  );
  expect(last!.seconds).toBeLessThanOrEqual(60);

  take();
  await t.database.query('UPDATE receivers SET retry_at = now() WHERE id = $1', [id]);
  await until('all is taken', async () => {
    const { body } = await admin('GET', `/${id}/deliveries?limit=100`);
    return body.items.every(({ state }: { state: string }) => state === 'delivered') && body.items.length === 20;
  });
  expect((await admin('GET', `/${id}`)).body.failingSince).toBeNull();
});

it('Receivers that do not answer, however many they are, leave places for the one that does', async () => {
  const silent = await TestReceiver.open();
  silent.answer = () => undefined;
  const created: string[] = [];
  for (let i = 0; i < 10; i++) {
    const { body } = await admin('POST', '', { url: silent.url, kind: 'webhook', events: ['user.created'] });
    created.push(body.id);
  }
  // For each more than it may have at the same time, and for all of them more than there may be.
  const happens = (type: string, count: number) =>
    t.database.query(
      `INSERT INTO audit_events (type, outcome, user_id) SELECT $1, 'success', gen_random_uuid() FROM generate_series(1, $2::integer)`,
      [type, count],
    );
  await happens('user_created', 100);
  await until('they have as many as they get, or nearly', () => silent.received.length >= 250);
  await t.database.query(
    `INSERT INTO audit_events (type, outcome, user_id, session_id)
     SELECT 'session_revoked', 'success', u, u FROM gen_random_uuid() u`,
  );
  await until('it is sent', () => receiver.received.length === 1);
  // The control: no attempt was over by then, which would have made room.
  const over = await t.database.query('SELECT FROM receivers WHERE failing_since IS NOT NULL AND id = ANY($1)', [
    created,
  ]);
  expect(over).toEqual([]);
  for (const one of created) expect((await admin('DELETE', `/${one}`)).status).toBe(204);
  await silent.stop();
});

it('A delivery that is not taken, beside others that are, has longer and longer pauses of its own, of an hour at most', async () => {
  await endSessions(2);
  const [first] = await until('both are there', () => receiver.received.length === 2 && receiver.received);
  const refused = String(first!.headers['webhook-id']);
  receiver.answer = ({ headers }, response) => response.writeHead(headers['webhook-id'] === refused ? 500 : 204).end();
  await admin('POST', `/${id}/deliveries/${refused}/redeliver`);
  const pauses: number[] = [];
  for (let attempts = 1; attempts <= 13; attempts++) {
    const { seconds } = await pauseAfter(
      attempts,
      `SELECT attempts AS count, CASE WHEN claimed_until IS NULL THEN extract(epoch FROM next_attempt_at - now()) ELSE 0 END::float AS seconds
       FROM deliveries WHERE receiver_id = $1 AND state = 'waiting' AND event <> 'test'`,
    );
    pauses.push(2 ** Math.ceil(Math.log2(seconds)));
    // Something else is taken, at once.
    await admin('POST', `/${id}/test`);
    await until('it is well', async () => (await admin('GET', `/${id}`)).body.failingSince === null);
    await t.database.query('UPDATE deliveries SET next_attempt_at = now() WHERE id = $1', [refused]);
  }
  expect(pauses).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096]);
}, 120_000);

it('After three days a delivery is given up: staff see why, it is in the trail and in metrics, and the next one is sent', async () => {
  const before = await metric('delivery_attempts_total{outcome="dead"}');
  refuse();
  await endSessions(2);
  await until('both wait', async () => (await admin('GET', `/${id}/deliveries`)).body.items.length === 2);
  const rows = await t.database.query<{ id: string }>(
    `UPDATE deliveries SET give_up_at = now() WHERE id = (SELECT id FROM deliveries WHERE receiver_id = $1 ORDER BY position LIMIT 1)
     RETURNING id`,
    [id],
  );
  const dead = await until('it is given up', async () => {
    const { body } = await admin('GET', `/${id}/deliveries?state=dead`);
    return body.items[0];
  });
  expect(dead).toMatchObject({ id: rows[0]!.id, status: 500, answer: 'not today', nextAttemptAt: null });
  const [line] = await t.database.query(
    `SELECT outcome, reason, session_id AS "sessionId" FROM audit_events WHERE type = 'delivery_given_up' AND note = $1`,
    [id],
  );
  expect(line).toEqual({ outcome: 'failure', reason: 'session.revoked', sessionId: dead.sessionId });
  expect(await metric('delivery_attempts_total{outcome="dead"}')).toBe(before + 1);
  take();
  await until('the other is taken', async () => {
    const { body } = await admin('GET', `/${id}/deliveries?state=delivered`);
    return body.items.length === 1;
  });
}, 120_000);

it('A receiver that took nothing for three days is disabled, and once enabled is sent what waited; what is overdue is given up meanwhile', async () => {
  refuse();
  await endSessions(3);
  const oldestSeconds = () => metric(`receiver_oldest_delivery_seconds{receiver="${id}"}`);
  await until('how long it waits is in metrics', async () => (await oldestSeconds()) > 0);
  await until('it fails', async () => (await admin('GET', `/${id}`)).body.failingSince !== null);
  await t.database.query(
    `UPDATE receivers SET failing_since = failing_since - interval '3 days', retry_at = now() WHERE id = $1`,
    [id],
  );
  const disabled = await until('it is disabled', async () => {
    const { body } = await admin('GET', `/${id}`);
    return body.disabledAt !== null && body;
  });
  expect(disabled.disabledReason).toBe('failing');
  const lines = await t.database.query(
    `SELECT outcome, reason FROM audit_events WHERE type = 'receiver_disabled' AND note LIKE $1`,
    [`${id} %`],
  );
  expect(lines).toEqual([{ outcome: 'failure', reason: 'failing' }]);
  await until('it is in metrics', async () => (await metric('receivers_disabled')) === 1);
  // Nothing of it is to be sent any more.
  expect(await oldestSeconds()).toBe(0);

  const [overdue] = await t.database.query<{ id: string }>(
    `UPDATE deliveries SET give_up_at = now() - interval '2 hours'
     WHERE id = (SELECT id FROM deliveries WHERE receiver_id = $1 ORDER BY position LIMIT 1) RETURNING id`,
    [id],
  );
  const dead = () => admin('GET', `/${id}/deliveries?state=dead`).then(({ body }) => body.items);
  await until('what is overdue is given up', async () => (await dead()).length === 1, 120);
  expect(await dead()).toMatchObject([{ id: overdue!.id }]);

  take();
  const sent = receiver.received.length;
  expect((await admin('PATCH', `/${id}`, { disabled: false })).body.disabledAt).toBeNull();
  await until('what waited is taken', async () => {
    const { body } = await admin('GET', `/${id}/deliveries?state=delivered`);
    return body.items.length === 2;
  });
  expect(receiver.received).toHaveLength(sent + 2);
}, 180_000);
