import { randomUUID } from 'node:crypto';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startDatabaseProxy } from '../support/database-proxy.js';
import { seedDevices } from '../support/devices.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { TestReceiver } from '../support/receiver.js';
import { signUpStaff } from '../support/clients.js';
import { until } from '../support/until.js';

// An instance is killed at each step of a delivery, held there by the database itself. Another one begins where it ended.
let database: TestDatabase;
let doomed: Instance;
let heir: Instance | null;
let receiver: TestReceiver;

const start = (url = database.url) => startInstance({ env: { DATABASE_URL: url, LOG_LEVEL: 'silent' } });

beforeEach(async () => {
  database = await createDatabase();
  [doomed, receiver] = await Promise.all([start(), TestReceiver.open()]);
  heir = null;
  const staff = await signUpStaff(doomed.api, database);
  const body = { url: receiver.url, kind: 'webhook', events: ['session.revoked'] };
  const { status } = await doomed.api.call('POST', '/admin/receivers', { bearer: staff.accessToken, body });
  expect(status).toBe(201);
  await database.query(
    `CREATE FUNCTION sleep_a_while() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$`,
  );
}, 60_000);

afterEach(async () => {
  try {
    if (heir) await expectInvariants(database, { api: heir.api, hasFaults: true, hasMissingRows: true });
  } finally {
    await Promise.all([doomed.kill('SIGKILL'), heir?.kill('SIGKILL'), receiver.stop()]);
    await database.drop();
  }
});

/** From now on what writes such rows takes two seconds, and is not committed before. */
const slowDown = (event: 'INSERT' | 'UPDATE', when = 'true') =>
  database.query(
    `CREATE TRIGGER slow BEFORE ${event} ON deliveries FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION sleep_a_while()`,
  );

/** The connection that is held so. */
async function heldBack(): Promise<number> {
  const [row] = await until('a statement is held', async () => {
    const rows = await database.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
    );
    return rows.length > 0 && rows;
  });
  return row!.pid;
}

/** A statement ends with its connection, and is not committed. */
async function rollBack(pid: number): Promise<void> {
  await database.query('SELECT pg_terminate_backend($1)', [pid]);
  await until('it is over', async () => {
    const rows = await database.query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid]);
    return rows.length === 0;
  });
}

/** Another instance, after what the dead one had in hand has become free: time is moved, not waited for. */
async function inherit(): Promise<void> {
  await database.query('DROP TRIGGER IF EXISTS slow ON deliveries');
  await database.query('UPDATE deliveries SET claimed_until = now() WHERE claimed_until IS NOT NULL');
  heir = await start();
}

const addEvent = () =>
  database.query(
    `INSERT INTO audit_events (type, outcome, user_id, session_id) VALUES ('session_revoked', 'success', $1, $1)`,
    [randomUUID()],
  );
const deliveries = () =>
  database.query<{ id: string; state: string; attempts: number }>(`SELECT id, state, attempts FROM deliveries`);
const allDelivered = () =>
  until('all is delivered', async () => {
    const rows = await deliveries();
    return rows.length > 0 && rows.every(({ state }) => state === 'delivered');
  });
const receivedIds = (): string[] => receiver.received.map(({ headers }) => String(headers['webhook-id']));

it('Killed while it claims a delivery: it is sent once, by the next instance', async () => {
  await slowDown('UPDATE', 'NEW.attempts > OLD.attempts');
  await addEvent();
  await heldBack();
  await doomed.kill('SIGKILL');
  // The statement is committed all the same.
  await until('it is claimed', async () => (await deliveries())[0]?.attempts === 1);
  expect(receiver.received).toEqual([]);
  await inherit();
  await allDelivered();
  expect(receivedIds()).toEqual((await deliveries()).map(({ id }) => id));
});

it('Killed while the receiver has not answered: it is sent again, with the same id', async () => {
  receiver.answer = () => undefined;
  await addEvent();
  await until('it was sent', () => receiver.received.length === 1);
  await doomed.kill('SIGKILL');
  receiver.answer = null;
  await inherit();
  await allDelivered();
  const [{ id } = { id: '' }] = await deliveries();
  expect(receivedIds()).toEqual([id, id]);
});

it('Killed after the answer and before it is noted: it is sent again, with the same id', async () => {
  await slowDown('UPDATE', `NEW.state = 'delivered'`);
  await addEvent();
  const pid = await heldBack();
  expect(receiver.received).toHaveLength(1);
  await doomed.kill('SIGKILL');
  await rollBack(pid);
  await inherit();
  await allDelivered();
  const [{ id } = { id: '' }] = await deliveries();
  expect(receivedIds()).toEqual([id, id]);
});

it('Killed after the answer was noted, before it learned that: it is not sent again', async () => {
  await slowDown('UPDATE', `NEW.state = 'delivered'`);
  await addEvent();
  await heldBack();
  await doomed.kill('SIGKILL');
  await allDelivered();
  await inherit();
  await addEvent();
  await until('the next one is there', () => receiver.received.length === 2);
  expect(new Set(receivedIds()).size).toBe(2);
});

it.each([
  ['before the event is committed: the session stands, and nothing is sent', true],
  ['when the event is committed: the session is over, and it is sent', false],
])('Killed %s', async (_, isRolledBack) => {
  const [device] = await seedDevices(database, [doomed.api], 2);
  await slowDown('INSERT');
  const loggedOut = doomed.api.logout(device.refreshToken).catch(() => null);
  const pid = await heldBack();
  await doomed.kill('SIGKILL');
  await loggedOut;
  if (isRolledBack) await rollBack(pid);
  else await until('it is committed', async () => (await deliveries()).length === 1);
  await inherit();

  const refreshed = await heir!.api.refresh(device.refreshToken);
  expect(refreshed.status).toBe(isRolledBack ? 200 : 401);
  if (!isRolledBack) await allDelivered();
  expect(receivedIds()).toEqual((await deliveries()).map(({ id }) => id));
  expect(receiver.received).toHaveLength(isRolledBack ? 0 : 1);
});

it('What one instance is about to claim no other one claims', async () => {
  heir = await start();
  // Longer than it takes until either instance looks again.
  await slowDown('UPDATE', 'NEW.attempts > OLD.attempts');
  for (let count = 1; count <= 2; count++) {
    await addEvent();
    await until('it is there', () => receiver.received.length >= count);
  }
  await allDelivered();
  expect(receivedIds().toSorted()).toEqual((await deliveries()).map(({ id }) => id).toSorted());
  expect((await deliveries()).map(({ attempts }) => attempts)).toEqual([1, 1]);
});

it('While the database does not answer two instances nothing is lost, and nothing is sent twice', async () => {
  const proxies = await Promise.all([startDatabaseProxy(database.url), startDatabaseProxy(database.url)]);
  await doomed.kill('SIGKILL');
  const instances = await Promise.all(proxies.map(({ url }) => start(url)));
  [doomed, heir] = instances as [Instance, Instance];
  let answered = 0;
  receiver.answer = (_, response) => {
    response.on('finish', () => answered++);
    setTimeout(() => response.writeHead(204).end(), 200);
  };
  for (let i = 0; i < 300; i++) await addEvent();
  await until('some were sent', () => receiver.received.length > 20);
  for (const proxy of proxies) proxy.hold();
  const before = receiver.received.length;
  await until('answers are held', () => proxies.every((proxy) => proxy.held() > 0));
  await until(
    'what was sent is answered, and that is not known to be noted',
    () => answered === receiver.received.length,
  );
  const isAllSent = receiver.received.length === 300;
  for (const proxy of proxies) proxy.release();
  await allDelivered();
  const ids = (await deliveries()).map(({ id }) => id);
  expect(receivedIds().toSorted()).toEqual(ids.toSorted());
  // The control: it was held in the middle.
  expect(isAllSent).toBe(false);
  expect(before).toBeLessThan(300);
  for (const proxy of proxies) proxy.stop();
});
