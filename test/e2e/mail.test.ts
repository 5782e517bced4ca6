import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Api, PASSWORD, someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, PRODUCTION_LIMITS, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { Mailbox, SUBJECTS } from '../support/mailbox.js';
import { temporaryFolder } from '../support/postgres.js';
import { until } from '../support/until.js';
import { outboxIsEmpty } from '../support/outbox.js';

const PRODUCTION_SECRETS = {
  JWT_SECRET: 'Nq8w-2Zk4-vB7x-Lp0s-Td5h-Gm3c-Yr6f-Ja1e',
  REFRESH_TOKEN_SECRET: 'Xc5t-8Wm1-hQ2j-Rk9d-Fv6n-Bs4g-Zp7l-Eu0y',
};

let database: TestDatabase;
let mailbox: Mailbox;
const instances: Instance[] = [];

async function start(environment: Record<string, string> = {}): Promise<Instance> {
  const env = { DATABASE_URL: database.url, SMTP_URL: mailbox.url, SMTP_TIMEOUT_MS: '500', ...environment };
  const instance = await startInstance({ env });
  instances.push(instance);
  return instance;
}

beforeAll(async () => {
  database = await createDatabase();
  mailbox = await Mailbox.open();
});

afterEach(() => Promise.all(instances.splice(0).map((instance) => instance.kill('SIGTERM'))));

afterAll(async () => {
  try {
    await expectInvariants(database);
  } finally {
    await mailbox.stop();
    await database.drop();
  }
});

const register = async (api: Api, count: number) => {
  const people = Array.from({ length: count }, someone);
  const answers = await Promise.all(people.map((person) => api.register(person)));
  expect(answers.map(({ status }) => status)).toEqual(people.map(() => 201));
  return people.map(({ email }) => email);
};
// With this even a busy machine answers in time; a mail whose answer comes too late is sent once more.
const PATIENT = { SMTP_TIMEOUT_MS: '10000' };
const received = (emails: readonly string[]) =>
  mailbox.mails
    .filter(({ to }) => emails.includes(to))
    .map(({ to }) => to)
    .toSorted();

it('Each mail is sent once, though two instances look for mails to send', async () => {
  const [a, b] = [await start(PATIENT), await start(PATIENT)];
  const emails = [...(await register(a.api, 20)), ...(await register(b.api, 20))];
  await outboxIsEmpty(database);
  expect(received(emails)).toEqual(emails.toSorted());
  expect(new Set(mailbox.mails.map(({ messageId }) => messageId)).size).toBe(mailbox.mails.length);
}, 90_000);

it('Mails that wait while the mail server is down block no registration and are sent once when it is back', async () => {
  const { api } = await start({ ...PATIENT, LOG_LEVEL: 'silent' });
  await mailbox.stop();
  const emails = await register(api, 5);
  await until('it was tried', async () => (await database.query('SELECT FROM mails WHERE attempts > 0')).length > 0);
  expect((await database.query('SELECT FROM mails')).length).toBe(5);
  expect(received(emails)).toEqual([]);
  await mailbox.start();
  await outboxIsEmpty(database);
  expect(received(emails)).toEqual(emails.toSorted());
}, 90_000);

it('A mail that is refused for good is given up at once and delays no other mail', async () => {
  const { api } = await start({ LOG_LEVEL: 'silent' });
  const [{ email }] = [someone()];
  const gone = Array.from({ length: 12 }, () => ({ ...someone(), email: `gone-${someone().email}` }));
  const refused = await Promise.all(gone.map((person) => api.register(person)));
  await api.register({ email, password: PASSWORD });
  await mailbox.await(email, SUBJECTS.verification);
  await outboxIsEmpty(database);
  const trail = await database.query(
    `SELECT reason FROM audit_events WHERE type = 'mail_given_up' AND user_id = ANY($1::uuid[])`,
    [refused.map(({ body }) => body.user.id)],
  );
  expect(trail).toEqual(gone.map(() => ({ reason: 'email_verification' })));
  expect(mailbox.mails.filter(({ to }) => to.startsWith('gone-'))).toEqual([]);
}, 90_000);

it('The service hands several mails to the mail server at the same time', async () => {
  const { api } = await start({ SMTP_TIMEOUT_MS: '20000' });
  await mailbox.stop();
  await mailbox.start({ isSlow: true });
  try {
    await register(api, 8);
    await until('four are handed over at once', () => mailbox.mostAtOnce >= 4, 60);
    await outboxIsEmpty(database);
  } finally {
    await mailbox.stop();
    await mailbox.start();
  }
}, 150_000);

it('Overdue mails are given up and not sent, and the life of a link counts from the request for its mail', async () => {
  const { api } = await start({ SMTP_URL: '', NODE_ENV: 'production', ...PRODUCTION_SECRETS, LOG_LEVEL: 'info' });
  const [stale, late, recent] = await register(api, 3);
  const age = (email: string, interval: string, kinds: string[]) =>
    database.query(
      `UPDATE mails SET created_at = now() - $2::interval WHERE recipient = $1 AND kind = ANY($3::text[])`,
      [email, interval, kinds],
    );
  await age(recent!, '20 minutes', ['email_verification']);
  await age(late!, '31 minutes', ['email_verification']);
  await database.query(`UPDATE mails SET kind = 'password_changed' WHERE recipient = $1`, [stale]);
  await age(stale!, '40 days', ['password_changed']);
  // Nobody sends here, and yet what is overdue goes.
  await until('the overdue ones are gone', async () => (await database.query('SELECT FROM mails')).length === 1, 60);
  const sender = await start();
  await outboxIsEmpty(database);
  expect(received([stale!, late!, recent!])).toEqual([recent]);
  const [life] = await database.query<{ minutes: number }>(
    `SELECT (extract(epoch FROM expires_at - now()) / 60)::double precision AS minutes FROM mailed_tokens WHERE email = $1`,
    [recent],
  );
  expect(life!.minutes).toBeLessThan(10);
  await sender.kill('SIGTERM');
  const given = await database.query<{ reason: string }>(
    `SELECT reason FROM audit_events WHERE type = 'mail_given_up' ORDER BY at DESC LIMIT 2`,
  );
  expect(given.map(({ reason }) => reason).toSorted()).toEqual(['email_verification', 'password_changed']);
}, 90_000);

it('Mails contain nothing that a stranger wrote and link to nothing but this service', async () => {
  const lure = 'Your account is locked. Open https://evil.test/unlock to keep it/1.0';
  const { api } = await start();
  const me = { ...someone(), name: 'Open https://evil.test now' };
  const { body } = await api.register(me, { headers: { 'user-agent': lure } });
  await api.login(me, { headers: { 'user-agent': `${lure} (X11; Linux)` } });
  await api.call('POST', '/auth/password/forgot', { body: { email: me.email }, headers: { 'user-agent': lure } });
  const email = `www.evil.test/unlock@evil.test`;
  const asked = await api.call('POST', '/auth/email/change', {
    bearer: body.accessToken,
    body: { email, password: PASSWORD },
    headers: { 'user-agent': lure },
  });
  expect(asked.status).toBe(202);
  // Or the change below would withdraw them.
  await outboxIsEmpty(database);
  await api.call('POST', '/auth/password/change', {
    bearer: body.accessToken,
    body: { currentPassword: PASSWORD, newPassword: 'another passphrase' },
    headers: { 'user-agent': lure },
  });
  await outboxIsEmpty(database);
  const mails = mailbox.mails.filter(({ to }) => to === me.email);
  expect(mails.length).toBeGreaterThan(3);
  for (const { text, html } of mails) {
    for (const words of [text, html]) {
      expect(words.replaceAll('http://localhost:3000/', '')).not.toMatch(/evil|https?:|www\.|locked/i);
    }
  }
}, 60_000);

it('Mails that were committed before an instance was killed are sent by the next one that starts', async () => {
  const instance = await start();
  const emails = await register(instance.api, 5);
  // Right after the answers: some are not sent, and one may be on its way.
  await instance.kill('SIGKILL');
  await start();
  await outboxIsEmpty(database);
  expect([...new Set(received(emails))]).toEqual(emails.toSorted());
}, 90_000);

it('Without a mail server a mail becomes a file that only its owner may read, and the log names it', async () => {
  const DATA_DIR = temporaryFolder();
  const instance = await start({ SMTP_URL: '', DATA_DIR, LOG_LEVEL: 'info' });
  const [email] = await register(instance.api, 1);
  await outboxIsEmpty(database);
  const folder = join(DATA_DIR, 'mail');
  const [file, ...more] = readdirSync(folder);
  expect(more).toEqual([]);
  await until('the log names it', () => Promise.resolve(instance.output().includes(file!)));
  expect(file).toMatch(/\.eml$/);
  expect(statSync(join(folder, file!)).mode & 0o777).toBe(0o600);
  const text = readFileSync(join(folder, file!), 'utf8');
  expect(text).toContain(`To: ${email}`);
  expect(text).toContain(`Subject: ${SUBJECTS.verification}`);
  expect(text).toContain('http://localhost:3000/auth/email/verify?token=');
}, 30_000);

it('In production without a mail server mails are kept until an instance can send them', async () => {
  const instance = await start({
    SMTP_URL: '',
    NODE_ENV: 'production',
    ...PRODUCTION_SECRETS,
    LOG_LEVEL: 'info',
    DATA_DIR: temporaryFolder(),
  });
  expect(instance.output()).toContain('There is no SMTP_URL');
  const emails = await register(instance.api, 1);
  const sender = await start();
  await outboxIsEmpty(database);
  expect(received(emails)).toEqual(emails);
  await sender.kill('SIGTERM');
}, 30_000);

it('With EMAIL_VERIFICATION=off a registration sends no mail to confirm the address', async () => {
  const { api } = await start({ EMAIL_VERIFICATION: 'off' });
  await register(api, 1);
  expect(await database.query('SELECT FROM mails')).toEqual([]);
});

it('An account gets 3 password resets an hour, known or not, and one address tries 20 mailed tokens a minute', async () => {
  const { api } = await start(PRODUCTION_LIMITS);
  const ask = (email: string) => api.call('POST', '/auth/password/forgot', { body: { email } });
  const [known] = await register(api, 1);
  for (const email of [known!, someone().email]) {
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await ask(email));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 429, 429]);
    expect(answers[3]!.body.code).toBe('too_many_requests');
    expect(Number(answers[3]!.headers.get('retry-after'))).toBeGreaterThan(3000);
  }
  const tries = await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      api.call('POST', ['/auth/password/reset', '/auth/email/verify', '/sessions/disown'][i % 3]!, {
        body: { token: 'x'.repeat(43), ...(i % 3 === 0 && { newPassword: 'another passphrase' }) },
      }),
    ),
  );
  expect(tries.filter(({ status }) => status === 400)).toHaveLength(20);
  expect(tries.filter(({ status }) => status === 429)).toHaveLength(10);
}, 30_000);

it('Wrong passwords at a login and at a password change share one counter', async () => {
  const { api } = await start({ RATE_LIMIT: 'on', LOGIN_DELAY_SECONDS: '60' });
  const { accessToken, credentials } = await api.signUp();
  const statuses = [];
  for (let i = 0; i < 7; i++) {
    const wrong = { currentPassword: `guess ${i}`, newPassword: 'another passphrase' };
    const { status } =
      i % 2 === 0
        ? await api.call('POST', '/auth/password/change', { bearer: accessToken, body: wrong })
        : await api.login({ ...credentials, password: `guess ${i}` });
    statuses.push(status);
  }
  expect(statuses).toEqual([403, 401, 403, 401, 403, 429, 429]);
  expect((await api.me(accessToken)).status).toBe(200);
});
