import { Client } from 'pg';
import { type Api, type AuthResult, type Credentials, PASSWORD, someone } from '../support/api.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { holdUsers } from '../support/held-rows.js';
import { expectInvariants } from '../support/invariants.js';
import { Mailbox, SUBJECTS } from '../support/mailbox.js';
import { temporaryFolder } from '../support/postgres.js';
import { ageEmailChanges } from '../support/time.js';
import { until } from '../support/until.js';
import { outboxIsEmpty } from '../support/outbox.js';

const NEW_PASSWORD = 'another passphrase of a test';
const THIEF = { 'user-agent': 'curl/8.0' };

let database: TestDatabase;
let mailbox: Mailbox;
let proxy: DatabaseProxy;
// The first one sends every mail, and its answers from the database can be kept back; the second one sends none.
let instances: Instance[];
let a: Api;
let b: Api;

beforeAll(async () => {
  database = await createDatabase();
  mailbox = await Mailbox.open();
  proxy = await startDatabaseProxy(database.url);
  const silent = {
    NODE_ENV: 'production',
    COOKIE_SECURE: 'off',
    DATA_DIR: temporaryFolder(),
    LOG_LEVEL: 'info',
    JWT_SECRET: 'Nq8w-2Zk4-vB7x-Lp0s-Td5h-Gm3c-Yr6f-Ja1e',
    REFRESH_TOKEN_SECRET: 'Xc5t-8Wm1-hQ2j-Rk9d-Fv6n-Bs4g-Zp7l-Eu0y',
  };
  instances = await Promise.all([
    startInstance({ env: { DATABASE_URL: proxy.url, SMTP_URL: mailbox.url, SESSION_CHECK_TIMEOUT_MS: '10000' } }),
    startInstance({ env: { DATABASE_URL: database.url, ...silent } }),
  ]);
  [a, b] = instances.map(({ api }) => api) as [Api, Api];
}, 60_000);

afterAll(async () => {
  try {
    await expectInvariants(database, { api: a, hasMissingRows: true });
  } finally {
    await Promise.all((instances ?? []).map((instance) => instance.kill('SIGTERM')));
    proxy?.stop();
    await mailbox?.stop();
    await database.drop();
  }
});

const post = (api: Api, path: string, body: object) => api.call('POST', path, { body });
const changeEmail = (api: Api, { accessToken }: AuthResult, email: string, password = PASSWORD) =>
  api.call('POST', '/auth/email/change', { bearer: accessToken, body: { email, password } });
const verify = (token: string) => post(a, '/auth/email/verify', { token });
const reset = (api: Api, token: string) => post(api, '/auth/password/reset', { token, newPassword: NEW_PASSWORD });
const disown = (api: Api, token: string) => post(api, '/sessions/disown', { token });
const undo = (api: Api, token: string) => post(api, '/auth/email/undo', { token });
const emailOf = async ({ user: { id } }: AuthResult) =>
  (await database.query<{ email: string }>('SELECT email FROM users WHERE id = $1', [id]))[0]!.email;
const tokensTo = (email: string) =>
  mailbox.mails.filter(({ to }) => to === email).flatMap(({ text }) => /token=([\w-]+)/.exec(text)?.[1] ?? []);
const logIn = async (credentials: Credentials) => (await a.login(credentials)).status;

async function resetTokenFor(email: string): Promise<string> {
  await post(a, '/auth/password/forgot', { email });
  return mailbox.tokenFor(email, SUBJECTS.reset);
}

/** An account, and somebody who knows its password and has signed in from a device that its owner was told of. */
async function stolen() {
  const owner = await a.signUp();
  const thief = (await a.login(owner.credentials, { headers: THIEF })).body;
  return { owner, thief, link: await mailbox.tokenFor(owner.user.email, SUBJECTS.newDevice) };
}

/** Gives the account another address, as somebody who reads that can. */
async function moveTo(session: AuthResult, email: string, password = PASSWORD): Promise<void> {
  expect((await changeEmail(a, session, email, password)).status).toBe(202);
  expect((await verify(await mailbox.tokenFor(email, SUBJECTS.confirmChange))).status).toBe(204);
}

describe('a change of address that somebody asks for while the owner sets a new password', () => {
  it('A change of address that races a password reset never takes effect, whichever is first', async () => {
    const rounds = Array.from({ length: 6 }, async () => {
      const owner = await a.signUp();
      const token = await resetTokenFor(owner.user.email);
      const { email } = someone();
      const answers = await Promise.all([
        reset(a, token),
        ...Array.from({ length: 4 }, () => changeEmail(a, owner, email)),
      ]);
      expect(answers[0]!.status).toBe(204);
      return { owner, email };
    });
    const accounts = await Promise.all(rounds);
    await outboxIsEmpty(database);
    for (const { owner, email } of accounts) {
      for (const token of tokensTo(email)) {
        expect((await verify(token)).body.code).toBe('invalid_verification_token');
      }
      expect(await emailOf(owner)).toBe(owner.user.email);
    }
  }, 90_000);

  it('A password reset cancels a change of address even while its mail is being sent', async () => {
    const owner = await a.signUp();
    const token = await resetTokenFor(owner.user.email);
    const { email } = someone();
    await outboxIsEmpty(database);
    proxy.delay(200);
    await changeEmail(a, owner, email);
    await until('it is claimed', async () => {
      const [mail] = await database.query(`SELECT FROM mails WHERE recipient = $1 AND attempts > 0`, [email]);
      return mail !== undefined;
    });
    // The sender does not know yet what it has.
    proxy.hold();
    expect((await reset(b, token)).status).toBe(204);
    proxy.delay(0);
    proxy.release();
    await outboxIsEmpty(database);
    for (const link of tokensTo(email)) {
      expect((await verify(link)).body.code).toBe('invalid_verification_token');
    }
    expect(await emailOf(owner)).toBe(owner.user.email);
  }, 60_000);

  it('A change of address is cancelled when another session ends the one that asked, but not by its own logout', async () => {
    const owner = await a.signUp();
    const other = await a.signIn(owner.credentials);
    const { email } = someone();
    await changeEmail(a, other, email);
    const token = await mailbox.tokenFor(email, SUBJECTS.confirmChange);
    expect((await a.logoutOthers(owner.accessToken)).body.revoked).toBe(1);
    expect((await verify(token)).body.code).toBe('invalid_verification_token');

    // Logging out oneself is no reason to forget what one asked for.
    await changeEmail(a, owner, email);
    const [, last] = (await mailbox.await(email, SUBJECTS.confirmChange, 2)).map(
      ({ text }) => /token=([\w-]+)/.exec(text)![1]!,
    );
    await a.logout(owner.refreshToken);
    expect((await verify(last!)).status).toBe(204);
  }, 60_000);

  it('A change of address is refused when its session is revoked while the request waits for the account', async () => {
    const owner = await a.signUp();
    const other = await a.signIn(owner.credentials);
    // Not as strong as FOR UPDATE, so that the revocation can name the user in the audit trail.
    const users = await holdUsers(database, [owner.user.id], 'FOR NO KEY UPDATE');
    try {
      const asked = changeEmail(a, other, someone().email);
      await users.waiting('FOR NO KEY UPDATE', 1);
      expect((await a.endSession(owner.accessToken, other.session.id)).status).toBe(204);
      await users.release();
      expect((await asked).body.code).toBe('session_revoked');
    } finally {
      await users.release();
    }
  }, 60_000);
});

it('A reset link whose mail is being written while the password changes does not work', async () => {
  const owner = await a.signUp();
  await outboxIsEmpty(database);
  // Each token waits for the holder before its row is written.
  const holder = new Client({ connectionString: database.adminUrl });
  await holder.connect();
  await holder.query('SELECT pg_advisory_lock(1)');
  await database.query(
    `CREATE FUNCTION wait_for_holder() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$`,
  );
  await database.query(
    `CREATE TRIGGER wait_for_holder BEFORE INSERT ON mailed_tokens FOR EACH ROW EXECUTE FUNCTION wait_for_holder()`,
  );
  try {
    await post(a, '/auth/password/forgot', { email: owner.user.email });
    const waiting = (event: string) =>
      database.query(
        `SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = ANY($1::text[])`,
        [event === 'advisory' ? ['advisory'] : ['transactionid', 'tuple']],
      );
    await until('the token waits', async () => (await waiting('advisory')).length > 0);
    let isChanged = false;
    const changing = a
      .call('POST', '/auth/password/change', {
        bearer: owner.accessToken,
        body: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD },
      })
      .finally(() => (isChanged = true));
    await until(
      'the change waits for the token, or is done',
      async () => isChanged || (await waiting('row')).length > 0,
    );
    await holder.query('SELECT pg_advisory_unlock(1)');
    expect((await changing).status).toBe(200);
  } finally {
    await holder.end();
    await database.query('DROP TRIGGER wait_for_holder ON mailed_tokens');
  }
  await outboxIsEmpty(database);

  const links = tokensTo(owner.user.email);
  expect(await Promise.all(links.map(async (token) => (await reset(a, token)).status))).toEqual(links.map(() => 400));
  expect(await database.query('SELECT FROM mailed_tokens WHERE user_id = $1', [owner.user.id])).toEqual([]);
}, 60_000);

describe('"this was not me"', () => {
  it('The "this was not me" link restores the address, ends every session and makes the owner set a new password', async () => {
    const { owner, thief, link } = await stolen();
    const { email } = someone();
    await moveTo(thief, email);
    await post(a, '/auth/password/forgot', { email });
    const thiefsReset = await mailbox.tokenFor(email, SUBJECTS.reset);

    const { status, body } = await disown(b, link);
    expect([status, body.revoked]).toEqual([200, 2]);
    expect(await emailOf(owner)).toBe(owner.user.email);
    for (const { accessToken } of [owner, thief]) expect((await a.me(accessToken)).status).toBe(401);
    expect((await reset(a, thiefsReset)).body.code).toBe('invalid_reset_token');
    // Whoever signed in knew the password.
    expect(await logIn(owner.credentials)).toBe(401);
    await mailbox.await(email, SUBJECTS.changedBack);

    await post(a, '/auth/password/forgot', { email });
    expect((await reset(a, body.resetToken)).status).toBe(204);
    expect(await logIn({ email: owner.user.email, password: NEW_PASSWORD })).toBe(200);
    await outboxIsEmpty(database);
    for (const token of tokensTo(email)) {
      const answers = await Promise.all([reset(a, token), verify(token), undo(a, token), disown(a, token)]);
      expect(answers.map((answer) => answer.status)).toEqual([400, 400, 400, 400]);
    }
    expect(await emailOf(owner)).toBe(owner.user.email);
  }, 60_000);

  it('The "this was not me" link neither restores an address that another session changed nor gives a reset token', async () => {
    const { owner, link } = await stolen();
    const { email } = someone();
    await moveTo(owner, email);
    const { status, body } = await disown(a, link);
    expect([status, body]).toEqual([200, { revoked: 2, resetToken: null }]);
    expect(await emailOf(owner)).toBe(email);
    // The change's own link does.
    expect((await undo(a, await mailbox.tokenFor(owner.user.email, SUBJECTS.addressChanged))).status).toBe(200);
    expect(await emailOf(owner)).toBe(owner.user.email);
  }, 60_000);
});

describe('the link that undoes a change of address', () => {
  it('The link that undoes a change of address works for a week, whatever is changed in between', async () => {
    const owner = await a.signUp();
    const { email: first } = someone();
    const { email: second } = someone();
    await moveTo(owner, first);
    const link = await mailbox.tokenFor(owner.user.email, SUBJECTS.addressChanged);
    // Another password, another address, and whatever link there is to lock the owner out.
    const body = { currentPassword: PASSWORD, newPassword: 'the passphrase of a thief' };
    const thief = (await a.call('POST', '/auth/password/change', { bearer: owner.accessToken, body })).body;
    await moveTo(thief, second, body.newPassword);
    await a.login({ email: second, password: body.newPassword }, { headers: THIEF });
    expect((await disown(a, await mailbox.tokenFor(second, SUBJECTS.newDevice))).status).toBe(200);
    const thiefsLink = await mailbox.tokenFor(first, SUBJECTS.addressChanged);

    await database.query(
      `UPDATE mailed_tokens SET expires_at = expires_at - interval '6 days 23 hours' WHERE email = $1`,
      [owner.user.email],
    );
    const undone = await undo(b, link);
    expect(undone.status).toBe(200);
    expect(await emailOf(owner)).toBe(owner.user.email);
    expect((await undo(a, link)).body.code).toBe('invalid_undo_token');
    expect((await undo(a, thiefsLink)).body.code).toBe('invalid_undo_token');
    await mailbox.await(second, SUBJECTS.changedBack);
    expect((await reset(a, undone.body.resetToken)).status).toBe(204);
    expect(await logIn({ email: owner.user.email, password: NEW_PASSWORD })).toBe(200);
  }, 60_000);

  it('The link that undoes a change of address fails for a disabled account and after more than a week', async () => {
    const owner = await a.signUp();
    await moveTo(owner, someone().email);
    const link = await mailbox.tokenFor(owner.user.email, SUBJECTS.addressChanged);
    await database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [owner.user.id]);
    expect((await undo(a, link)).body.code).toBe('invalid_undo_token');
    await database.query('UPDATE users SET disabled_at = NULL WHERE id = $1', [owner.user.id]);
    await ageEmailChanges(database, owner.user.id, '8 days');
    expect((await undo(a, link)).body.code).toBe('invalid_undo_token');
  }, 60_000);

  it('After a change back to the former address, the address that was left cannot undo it', async () => {
    const owner = await a.signUp();
    const { email } = someone();
    await moveTo(owner, email);
    await moveTo(owner, owner.user.email);
    await mailbox.await(email, SUBJECTS.changedBack);
    await outboxIsEmpty(database);
    for (const token of tokensTo(email)) expect((await undo(a, token)).body.code).toBe('invalid_undo_token');
    expect(await emailOf(owner)).toBe(owner.user.email);
  }, 60_000);

  it('A former address cannot be registered or taken by another account, so its undo link keeps working', async () => {
    const owner = await a.signUp();
    const { email: former } = owner.user;
    await moveTo(owner, someone().email);
    expect((await a.register({ email: former, password: PASSWORD })).body.code).toBe('email_taken');
    const squatter = await a.signUp();
    // The link was mailed to whoever reads the former address before.
    await changeEmail(a, squatter, former);
    await outboxIsEmpty(database);
    for (const token of tokensTo(former)) await verify(token);
    expect(await emailOf(squatter)).toBe(squatter.user.email);

    expect((await undo(a, await mailbox.tokenFor(former, SUBJECTS.addressChanged))).status).toBe(200);
    await database.query(`UPDATE email_changes SET changed_at = changed_at - interval '8 days'`);
    expect(await emailOf(owner)).toBe(former);
  }, 60_000);

  it('A former address can be registered again 8 days after the change of address', async () => {
    const owner = await a.signUp();
    await moveTo(owner, someone().email);
    await ageEmailChanges(database, owner.user.id, '8 days');
    expect((await a.register({ email: owner.user.email, password: PASSWORD })).status).toBe(201);
  }, 60_000);
});

it('Disabling an account withdraws its mailed reset and "this was not me" links, even once it is enabled again', async () => {
  const { owner, link } = await stolen();
  const token = await resetTokenFor(owner.user.email);
  const staff = await a.signUp();
  await database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
  const act = (what: string) => a.call('POST', `/admin/users/${owner.user.id}/${what}`, { bearer: staff.accessToken });
  expect((await act('disable')).status).toBe(204);
  expect((await act('enable')).status).toBe(204);
  expect((await reset(a, token)).body.code).toBe('invalid_reset_token');
  expect((await disown(a, link)).body.code).toBe('invalid_disown_token');
}, 60_000);

it('A sign-in to an account without known devices mails its owner if the account is old, but not if it is new', async () => {
  const owner = await a.signUp();
  await a.logout(owner.refreshToken);
  await database.query('DELETE FROM known_devices WHERE user_id = $1', [owner.user.id]);
  await database.query('DELETE FROM sessions WHERE user_id = $1', [owner.user.id]);
  await database.query(`DELETE FROM mails WHERE user_id = $1`, [owner.user.id]);
  // An account of today whose first session this is.
  await a.signIn(owner.credentials);
  expect(await database.query(`SELECT FROM mails WHERE user_id = $1 AND kind = 'new_device'`, [owner.user.id])).toEqual(
    [],
  );

  await database.query('DELETE FROM known_devices WHERE user_id = $1', [owner.user.id]);
  await database.query('DELETE FROM sessions WHERE user_id = $1', [owner.user.id]);
  await database.query(`UPDATE users SET created_at = created_at - interval '200 days' WHERE id = $1`, [owner.user.id]);
  await a.signIn(owner.credentials);
  await mailbox.await(owner.user.email, SUBJECTS.newDevice);
}, 60_000);
