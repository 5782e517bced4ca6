import { Webhook } from 'standardwebhooks';
import type { AuthResult } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { type Received, TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

const OLD = 'the-jwt-secret-that-is-to-go-0123456789';
const NEW = 'the-jwt-secret-that-is-to-come-0123456789';

let METRICS_PORT: string;
let database: TestDatabase;
let instance: Instance;
let staff: AuthResult;
let receiver: TestReceiver;
/** All that the instances have printed. */
let printed = '';

beforeAll(async () => {
  database = await createDatabase();
  METRICS_PORT = String(await freePort());
  receiver = await TestReceiver.open();
  instance = await startWith(OLD);
  staff = await signUpStaff(instance.api, database);
});

afterAll(async () => {
  await stop();
  await receiver.stop();
  await database.drop();
});

const startWith = (secrets: string) =>
  startInstance({ env: { DATABASE_URL: database.url, JWT_SECRET: secrets, LOG_LEVEL: 'trace', METRICS_PORT } });

async function stop(): Promise<void> {
  await instance.kill('SIGTERM');
  printed += instance.output();
}

/** The same service with other secrets. Access tokens of the one before may be refused. */
async function restartWith(secrets: string): Promise<void> {
  await stop();
  instance = await startWith(secrets);
  const { body } = await instance.api.refresh(staff.refreshToken);
  staff = { ...staff, ...body };
}

const admin = (method: string, path: string, body?: unknown) =>
  instance.api.call(method, `/admin/receivers${path}`, {
    bearer: staff.accessToken,
    ...(body !== undefined && { body }),
  });

async function add() {
  const { body } = await admin('POST', '', { url: receiver.url, kind: 'webhook', events: ['session.expired'] });
  return { id: body.id as string, secret: body.secret as string };
}

const replaceSecret = async (id: string): Promise<string> => (await admin('POST', `/${id}/secret`)).body.secret;

/** Sends a test. Returns it as it came. */
async function sentTo(id: string): Promise<Received> {
  const { body } = await admin('POST', `/${id}/test`);
  return until('the test', () => receiver.received.find(({ headers }) => headers['webhook-id'] === body.id));
}

function isSignedWith(secret: string, { body, headers }: Received): boolean {
  const signed = Object.fromEntries(
    ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => [name, String(headers[name])]),
  );
  try {
    new Webhook(secret).verify(body, signed);
    return true;
  } catch {
    return false;
  }
}

it('The secret before the last one signs for 24 hours, and the one before that no more', async () => {
  const { id, secret: first } = await add();
  const second = await replaceSecret(id);
  const bySecond = await sentTo(id);
  expect([first, second].map((one) => isSignedWith(one, bySecond))).toEqual([true, true]);

  const third = await replaceSecret(id);
  const byThird = await sentTo(id);
  expect([first, second, third].map((one) => isSignedWith(one, byThird))).toEqual([false, true, true]);

  await database.query(
    `UPDATE receivers SET former_secret_until = former_secret_until - interval '24 hours' WHERE id = $1`,
    [id],
  );
  const byThirdAlone = await sentTo(id);
  expect([first, second, third].map((one) => isSignedWith(one, byThirdAlone))).toEqual([false, false, true]);
  expect(String(byThirdAlone.headers['webhook-signature']).split(' ')).toHaveLength(1);
  expect((await admin('GET', `/${id}`)).body.formerSecretUntil).toBeNull();
});

it('What the database has of a secret is of no use: it is encrypted, and for one receiver', async () => {
  const [mine, other] = [await add(), await add()];
  const [{ text } = { text: '' }] = await database.query<{ text: string }>(
    `SELECT string_agg(receivers::text, ' ') AS text FROM receivers`,
  );
  const bytes = Buffer.from(mine.secret.slice('whsec_'.length), 'base64');
  for (const form of [mine.secret, bytes.toString('hex'), Buffer.from(mine.secret).toString('hex')]) {
    expect(text).not.toContain(form);
  }
  // As one could who may write to the table, to have another's messages signed with a secret that is known.
  await database.query(
    `UPDATE receivers SET encrypted_secret = (SELECT encrypted_secret FROM receivers WHERE id = $1) WHERE id = $2`,
    [mine.id, other.id],
  );
  await admin('POST', `/${other.id}/test`);
  const delivery = await until('it was tried', async () => {
    const { items } = (await admin('GET', `/${other.id}/deliveries`)).body;
    return items[0].answer !== null && items[0];
  });
  expect(delivery).toMatchObject({ state: 'waiting', status: null });
  expect(delivery.answer).toBe('its secret cannot be decrypted: JWT_SECRET is another one than when it was made');
  await admin('DELETE', `/${other.id}`);
});

it('JWT_SECRET is rotated, and receivers notice nothing', async () => {
  const { id, secret } = await add();
  const next = await replaceSecret(id);
  const encrypted = async () =>
    (await database.query(`SELECT encrypted_secret, former_secret FROM receivers WHERE id = $1`, [id]))[0];
  const before = await encrypted();

  await restartWith(`${OLD},${NEW}`);
  await restartWith(`${NEW},${OLD}`);
  await until('they are encrypted anew', async () => {
    const { encrypted_secret, former_secret } = (await encrypted())!;
    return !encrypted_secret.equals(before!['encrypted_secret']) && !former_secret.equals(before!['former_secret']);
  });
  await restartWith(NEW);
  const sent = await sentTo(id);
  expect([secret, next].map((one) => isSignedWith(one, sent))).toEqual([true, true]);
});

it('After a leaked JWT_SECRET was replaced at once, a receiver works again with another secret', async () => {
  const { id, secret } = await add();
  await restartWith('a-jwt-secret-that-has-not-leaked-0123456789');
  await admin('POST', `/${id}/test`);
  await until('it says why', async () => {
    const { items } = (await admin('GET', `/${id}/deliveries`)).body;
    return items[0].answer === 'its secret cannot be decrypted: JWT_SECRET is another one than when it was made';
  });
  const next = await replaceSecret(id);
  const sent = await sentTo(id);
  expect([secret, next].map((one) => isSignedWith(one, sent))).toEqual([false, true]);
});

it('Nothing else has a secret of a receiver: no answer, no log at trace, no line of the audit trail, no metric', async () => {
  const { id, secret } = await add();
  const next = await replaceSecret(id);
  await sentTo(id);
  receiver.answer = (_, response) => response.writeHead(400).end();
  await admin('POST', `/${id}/test`);
  await until(
    'it is put off',
    async () => (await admin('GET', `/${id}/deliveries?state=waiting`)).body.items[0]?.answer === '',
  );
  const shown = [
    await admin('GET', ''),
    await admin('GET', `/${id}`),
    await admin('PATCH', `/${id}`, { description: 'another' }),
    await admin('GET', `/${id}/deliveries`),
    await admin('POST', '', { url: 'x', kind: 'webhook', events: ['session.expired'], secret }),
    await instance.api.call('GET', '/admin/audit', { bearer: staff.accessToken }),
  ].map(({ body }) => JSON.stringify(body));
  const metrics = await until('it is measured', async () => {
    const text = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
    return text.includes(id) && text;
  });
  const trail = await database.query(`SELECT * FROM audit_events`);
  const mails = await database.query(`SELECT * FROM mails`);
  await stop();
  // The control: what was done is there.
  for (const text of [printed, JSON.stringify(trail)]) expect(text).toContain(id);
  for (const one of [secret, next]) {
    const forms = [one, one.slice('whsec_'.length), encodeURIComponent(one)];
    for (const text of [printed, metrics, JSON.stringify(trail), JSON.stringify(mails)]) {
      for (const form of forms) expect(text).not.toContain(form);
    }
    // One was sent in, and is not sent back.
    for (const text of shown) for (const form of forms) expect(text).not.toContain(form);
  }
});
