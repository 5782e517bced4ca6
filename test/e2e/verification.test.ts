import { type Answer, type Api, PASSWORD, someone } from '../support/api.js';
import { type Instance, PRODUCTION_LIMITS, startInstance } from '../support/instance.js';
import { SUBJECTS } from '../support/mailbox.js';
import { useMailedInstances } from '../support/mailed-instances.js';
import { outboxIsEmpty } from '../support/outbox.js';

const EXISTS = 'You already have an account';

// One that must not tell who has an account, one that may, and one of the former with limits, on one database: all want
// addresses confirmed.
const SETTINGS: Record<string, string>[] = [
  { REGISTRATION_DISCLOSURE: 'off' },
  { EMAIL_VERIFICATION: 'required' },
  { REGISTRATION_DISCLOSURE: 'off', ...PRODUCTION_LIMITS, TRUST_PROXY: '1' },
];
const t = useMailedInstances(SETTINGS.length, { env: (index) => SETTINGS[index]! });
let quiet: Instance;
let open: Instance;
let limited: Instance;
beforeAll(() => {
  [quiet, open, limited] = t.instances as [Instance, Instance, Instance];
});

const verify = (api: Api, token: string, password?: string) =>
  api.call('POST', '/auth/email/verify', { body: { token, ...(password !== undefined && { password }) } });

const bare = ({ status, headers, body }: Answer) => ({
  status,
  body: { ...body, requestId: '' },
  headers: [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name)),
});

it('Where addresses must be confirmed, only a login after the confirmation makes a session', async () => {
  for (const { api } of [quiet, open]) {
    const me = someone();
    const registered = await api.register(me);
    expect([registered.status, registered.body, registered.headers.getSetCookie()]).toEqual([202, null, []]);
    expect((await api.login(me)).status).not.toBe(200);
    expect(
      await t.database.query('SELECT FROM sessions s JOIN users u ON u.id = s.user_id WHERE email = $1', [me.email]),
    ).toEqual([]);
    expect((await verify(api, await t.mailbox.tokenFor(me.email, SUBJECTS.verification))).status).toBe(204);
    const login = await api.login(me);
    expect([login.status, login.body.user.emailVerified]).toEqual([200, true]);
  }
});

it('A login before the confirmation says what is missing, except where accounts must not be disclosed', async () => {
  const me = someone();
  await open.api.register(me);
  expect((await open.api.login(me)).body.code).toBe('email_not_verified');
  expect((await open.api.login({ ...me, password: 'not the password' })).body.code).toBe('invalid_credentials');
  expect(bare(await quiet.api.login(me))).toEqual(bare(await quiet.api.login(someone())));
});

it('The owner of a taken address gets 3 mails an hour, and no answer discloses the account', async () => {
  let host = 0;
  const register = (email: string) =>
    limited.api.register(
      { email, password: 'a stranger wants in' },
      { headers: { 'x-forwarded-for': `10.0.0.${(host += 1)}` } },
    );
  const [taken, free] = [someone(), someone()];
  await quiet.api.register(taken);
  await verify(quiet.api, await t.mailbox.tokenFor(taken.email, SUBJECTS.verification));

  const answers = [];
  for (let i = 0; i < 12; i++) answers.push(await register(taken.email), await register(free.email));
  for (const answer of answers) expect(bare(answer)).toEqual({ ...bare(answers[0]!), status: 202 });

  await outboxIsEmpty(t.database);
  const sent = (to: string, subject: string) =>
    t.mailbox.mails.filter((mail) => mail.to === to && mail.subject === subject);
  expect(sent(taken.email, EXISTS)).toHaveLength(3);
  // One that was not sent yet is withdrawn for the next.
  expect([1, 2, 3]).toContain(sent(free.email, SUBJECTS.verification).length);
}, 60_000);

it('A registration answers alike for a taken, a waiting and a free address, and mails the owner of the taken one', async () => {
  const taken = someone();
  await quiet.api.register(taken);
  await verify(quiet.api, await t.mailbox.tokenFor(taken.email, SUBJECTS.verification));
  const waiting = someone();
  await quiet.api.register(waiting);

  const [first, ...others] = await Promise.all(
    [taken, waiting, someone()].map(({ email }) => quiet.api.register({ email, password: 'a stranger wants in' })),
  );
  expect(first!.status).toBe(202);
  for (const other of others) expect(bare(other)).toEqual(bare(first!));

  // Nothing about the account changed.
  expect((await quiet.api.login({ ...taken, password: 'a stranger wants in' })).status).toBe(401);
  expect((await quiet.api.login(taken)).status).toBe(200);
  const [mail] = await t.mailbox.await(taken.email, EXISTS);
  expect(mail!.text).toContain('/auth/password/reset?token=');
  expect((await open.api.register(taken)).body.code).toBe('email_taken');
});

it.each([
  ['first', 'the passphrase of a stranger', PASSWORD],
  ['last', PASSWORD, 'the passphrase of a stranger'],
])('The reader of the mail chooses the password where a stranger registered the address %s', async (_, ...both) => {
  const { email } = someone();
  const [first, last] = both;
  await quiet.api.register({ email, password: first!, name: 'Call 555 0100 to keep it' });
  const early = await t.mailbox.tokenFor(email, SUBJECTS.verification);
  await quiet.api.register({ email, password: last! });
  const late = await t.mailbox.tokenFor(email, SUBJECTS.verification, 2);
  expect((await verify(quiet.api, early)).body.code).toBe('invalid_verification_token');

  // Whose password is it? The one who registered last need not be the one who reads this.
  const unsaid = await verify(quiet.api, late);
  expect([unsaid.status, unsaid.body.code, unsaid.body.errors[0].field]).toEqual([
    400,
    'validation_failed',
    'password',
  ]);
  expect((await verify(quiet.api, late, 'short')).body.errors[0].field).toBe('password');
  for (const password of both) expect((await quiet.api.login({ email, password })).status).toBe(401);

  expect((await verify(quiet.api, late, PASSWORD)).status).toBe(204);
  expect((await quiet.api.login({ email, password: 'the passphrase of a stranger' })).status).toBe(401);
  const { status, body } = await quiet.api.login({ email, password: PASSWORD });
  expect([status, body.user?.name]).toEqual([200, null]);
});

it('An account in use stays with its owner when a stranger registers its address', async () => {
  // From a time when confirming was optional.
  const instance = await startInstance({ env: { DATABASE_URL: t.database.url, SMTP_URL: t.mailbox.url } });
  const me = await instance.api.signUp();
  await instance.kill('SIGTERM');
  const { email } = me.credentials;
  expect((await quiet.api.register({ email, password: 'a stranger wants in' })).status).toBe(202);
  await t.mailbox.await(email, EXISTS);
  expect((await quiet.api.me(me.accessToken)).status).toBe(200);
  const token = await t.mailbox.tokenFor(email, SUBJECTS.verification);
  expect((await verify(quiet.api, token)).status).toBe(204);
  expect((await quiet.api.login(me.credentials)).status).toBe(200);
});
