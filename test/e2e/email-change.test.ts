import { type Api, type AuthResult, type Credentials, PASSWORD, someone } from '../support/api.js';
import { SUBJECTS } from '../support/mailbox.js';
import { useMailedInstances } from '../support/mailed-instances.js';
import { outboxIsEmpty } from '../support/outbox.js';

const CONFIRM = 'Confirm your new e-mail address';
const REQUESTED = 'Your e-mail address is about to change';
const CHANGED = 'Your e-mail address was changed';

const t = useMailedInstances(2);

const change = (api: Api, { accessToken }: AuthResult, body: Record<string, unknown>) =>
  api.call('POST', '/auth/email/change', { bearer: accessToken, body });
const verify = (api: Api, token: string) => api.call('POST', '/auth/email/verify', { body: { token } });
const mailsTo = (to: string, subject: string) =>
  t.mailbox.mails.filter((mail) => mail.to === to && mail.subject === subject);
const logsInWith = async (credentials: Credentials) => (await t.b.login(credentials)).status === 200;

/** A session whose password was given so long ago, and an access token that says so. */
async function signedInLongAgo(seconds: number) {
  const account = await t.a.signUp();
  await t.database.query(
    'UPDATE sessions SET authenticated_at = authenticated_at - make_interval(secs => $2) WHERE id = $1',
    [account.session.id, seconds],
  );
  const { body } = await t.a.refresh(account.refreshToken);
  return { ...body, credentials: account.credentials };
}

it('A change of address takes effect once the new address is confirmed, and both addresses get mail', async () => {
  const account = await t.a.signUp();
  const other = await t.b.signIn(account.credentials);
  const { email: former } = account.credentials;
  // Before that its mails have no word of the person who gave the address.
  await verify(t.a, await t.mailbox.tokenFor(former, SUBJECTS.verification));
  const { email } = someone();
  expect(await change(t.a, account, { email: email.toUpperCase(), password: PASSWORD })).toMatchObject({
    status: 202,
    body: null,
  });
  const token = await t.mailbox.tokenFor(email, CONFIRM);
  const [told] = await t.mailbox.await(former, REQUESTED);
  expect(told!.text).toContain(email);
  expect([await logsInWith(account.credentials), await logsInWith({ email, password: PASSWORD })]).toEqual([
    true,
    false,
  ]);

  expect((await verify(t.b, token)).status).toBe(204);
  expect([await logsInWith(account.credentials), await logsInWith({ email, password: PASSWORD })]).toEqual([
    false,
    true,
  ]);
  expect((await t.a.me(account.accessToken)).body).toMatchObject({ email, emailVerified: true });
  expect((await t.b.me(other.accessToken)).body).toMatchObject({ email });
  await t.mailbox.await(former, CHANGED);
  expect((await verify(t.a, token)).body.code).toBe('invalid_verification_token');
});

it('A change to a taken address is answered like any other and mails its owner no confirmation', async () => {
  const [account, owner] = [await t.a.signUp(), await t.a.signUp()];
  const taken = await change(t.a, account, { email: owner.user.email, password: PASSWORD });
  await t.mailbox.await(account.user.email, REQUESTED);
  const free = await change(t.a, account, { email: someone().email, password: PASSWORD });
  expect([taken.status, taken.body]).toEqual([free.status, free.body]);
  await t.mailbox.await(account.user.email, REQUESTED, 2);
  await outboxIsEmpty(t.database);
  expect(mailsTo(owner.user.email, CONFIRM)).toEqual([]);
});

it('When two accounts confirm the same new address at once, only one of them gets it', async () => {
  const { email } = someone();
  const [first, second] = [await t.a.signUp(), await t.a.signUp()];
  for (const account of [first, second]) {
    expect((await change(t.a, account, { email, password: PASSWORD })).status).toBe(202);
  }
  const mails = await t.mailbox.await(email, CONFIRM, 2);
  const tokens = mails.map(({ text }) => /token=([\w-]+)/.exec(text)![1]!);
  const answers = await Promise.all(tokens.map((token, i) => verify([t.a, t.b][i]!, token)));
  expect(answers.map(({ status }) => status).toSorted((x, y) => x - y)).toEqual([204, 409]);
  expect(answers.find(({ status }) => status === 409)?.body.code).toBe('email_taken');
  expect(await t.database.query('SELECT FROM users WHERE email = $1', [email])).toHaveLength(1);
});

it('Only the last requested change of address can be confirmed, and none after a password change', async () => {
  const account = await t.a.signUp();
  const [first, last] = [someone(), someone()];
  await change(t.a, account, { email: first.email, password: PASSWORD });
  const stale = await t.mailbox.tokenFor(first.email, CONFIRM);
  await change(t.a, account, { email: last.email, password: PASSWORD });
  const current = await t.mailbox.tokenFor(last.email, CONFIRM);
  expect((await verify(t.a, stale)).body.code).toBe('invalid_verification_token');

  const body = { currentPassword: PASSWORD, newPassword: 'another passphrase of a test' };
  expect((await t.a.call('POST', '/auth/password/change', { bearer: account.accessToken, body })).status).toBe(200);
  expect((await verify(t.a, current)).body.code).toBe('invalid_verification_token');
});

it('A confirmed change of address withdraws the former reset link, but not the "this was not me" link', async () => {
  const account = await t.a.signUp();
  const thief = (await t.a.login(account.credentials, { headers: { 'user-agent': 'curl/8.0' } })).body;
  const disown = await t.mailbox.tokenFor(account.user.email, SUBJECTS.newDevice);
  await t.a.call('POST', '/auth/password/forgot', { body: { email: account.user.email } });
  const reset = await t.mailbox.tokenFor(account.user.email, SUBJECTS.reset);
  const { email } = someone();
  await change(t.a, thief, { email, password: PASSWORD });
  await verify(t.a, await t.mailbox.tokenFor(email, CONFIRM));

  const body = { token: reset, newPassword: 'another passphrase of a test' };
  expect((await t.a.call('POST', '/auth/password/reset', { body })).body.code).toBe('invalid_reset_token');
  const disowned = await t.b.call('POST', '/sessions/disown', { body: { token: disown } });
  expect(disowned).toMatchObject({ status: 200, body: { revoked: 2 } });
  expect((await t.a.me(thief.accessToken)).status).toBe(401);
});

it('A change of address asks for the password again after 5 minutes, with the challenge of RFC 9470', async () => {
  const stale = await signedInLongAgo(301);
  const { email } = someone();
  const refused = await change(t.a, stale, { email });
  expect([refused.status, refused.body.code]).toEqual([401, 'insufficient_user_authentication']);
  expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_user_authentication"');
  expect(refused.headers.get('www-authenticate')).toContain('max_age="300"');
  expect((await change(t.a, stale, { email, password: 'not the password' })).body.code).toBe('invalid_credentials');
  expect((await change(t.a, stale, { email, password: PASSWORD })).status).toBe(202);

  // A refresh is no proof; a login is.
  const refreshed = (await t.a.refresh(stale.refreshToken)).body;
  expect((await change(t.a, refreshed, { email })).status).toBe(401);
  expect((await change(t.a, await t.a.signIn(stale.credentials), { email })).status).toBe(202);
  expect((await change(t.a, await signedInLongAgo(200), { email: someone().email })).status).toBe(202);
});

it('Sessions can be ended without a password, even when it was given long ago', async () => {
  const stale = await signedInLongAgo(100_000);
  const [one] = [await t.a.signIn(stale.credentials), await t.a.signIn(stale.credentials)];
  expect((await t.a.endSession(stale.accessToken, one.session.id)).status).toBe(204);
  expect((await t.a.logoutOthers(stale.accessToken)).body.revoked).toBe(1);
  expect((await t.a.call('POST', '/auth/logout-all', { bearer: stale.accessToken })).body.revoked).toBe(1);
});

it('A change of address with a wrong password is refused, mails nothing and is recorded as a failure', async () => {
  const account = await t.a.signUp();
  const { email } = someone();
  expect(await change(t.a, account, { email, password: 'not the password' })).toMatchObject({
    status: 403,
    body: { code: 'invalid_credentials' },
  });
  expect(
    await t.database.query('SELECT FROM mails WHERE user_id = $1 AND kind LIKE $2', [account.user.id, 'email_ch%']),
  ).toEqual([]);
  expect(
    await t.database.query('SELECT outcome FROM audit_events WHERE user_id = $1 AND type = $2', [
      account.user.id,
      'email_change_failed',
    ]),
  ).toEqual([{ outcome: 'failure' }]);
});
