import { PASSWORD, someone } from '../support/api.js';
import { SUBJECTS } from '../support/mailbox.js';
import { startInstance } from '../support/instance.js';
import { useMailedInstances } from '../support/mailed-instances.js';

const LURE = 'Call-Us-Now/1.0';

const t = useMailedInstances(1, { hasMissingRows: true });

const masked = (email: string) => `${email[0]}…@${email.split('@')[1]}`;
const preview = (token: string, on = t.a) => on.call('POST', '/auth/links/preview', { body: { token } });

it('Each mailed link says what it is for, for whom, and until when, and still works afterwards', async () => {
  const { accessToken, user } = await t.a.signUp();
  const verification = await t.mailbox.tokenFor(user.email, SUBJECTS.verification);
  const aboutVerification = await preview(verification);
  expect((await t.a.call('POST', '/auth/email/verify', { body: { token: verification } })).status).toBe(204);
  await t.a.call('POST', '/auth/password/forgot', { body: { email: user.email } });
  const reset = await t.mailbox.tokenFor(user.email, SUBJECTS.reset);
  const { email } = someone();
  await t.a.call('POST', '/auth/email/change', { bearer: accessToken, body: { email, password: PASSWORD } });
  const change = await t.mailbox.tokenFor(email, SUBJECTS.confirmChange);

  for (const [{ status, body }, purpose, address, emailVerified] of [
    [aboutVerification, 'email_verification', masked(user.email), false],
    [await preview(reset), 'password_reset', user.email, true],
    [await preview(change), 'email_change', masked(email), false],
  ] as const) {
    expect([status, body]).toEqual([
      200,
      { purpose, email: address, emailVerified, expiresAt: expect.any(String), session: null },
    ]);
    expect(Date.parse(body.expiresAt)).toBeGreaterThan(Date.now());
  }

  expect((await t.a.call('POST', '/auth/email/verify', { body: { token: change } })).status).toBe(204);
  const undo = await t.mailbox.tokenFor(user.email, SUBJECTS.addressChanged);
  expect((await preview(undo)).body).toMatchObject({
    purpose: 'email_undo',
    email: masked(user.email),
    session: null,
  });
  expect((await t.a.call('POST', '/auth/email/undo', { body: { token: undo } })).status).toBe(200);
});

it('A "this was not me" link names the device that signed in, and no name that it gave itself', async () => {
  const { user } = await t.a.signUp();
  const { body } = await t.a.login(
    { email: user.email, password: PASSWORD, deviceName: 'Open https://evil.test' },
    { headers: { 'user-agent': 'Mozilla/5.0 (Windows NT 10.0; rv:133.0) Gecko/20100101 Firefox/133.0' } },
  );
  const token = await t.mailbox.tokenFor(user.email, SUBJECTS.newDevice);
  expect((await preview(token)).body).toMatchObject({
    purpose: 'disown',
    email: masked(user.email),
    session: {
      ip: body.session.ip,
      createdAt: body.session.createdAt,
      device: { label: 'Firefox on Windows', browser: 'Firefox', os: 'Windows', type: 'desktop' },
    },
  });
  expect(JSON.stringify((await preview(token)).body)).not.toContain('evil');
});

it('Before an address is confirmed the preview of a link has no word of the person who gave it', async () => {
  const email = `victim+call-0800-911-now-${someone().email}`;
  await t.a.register({ email, password: PASSWORD });
  await t.a.login({ email, password: PASSWORD }, { headers: { 'user-agent': 'Your-Bank-Calls/9' } });
  const disown = await t.mailbox.tokenFor(email, SUBJECTS.newDevice);
  const { body } = await preview(disown);
  expect(body).toMatchObject({
    email: 'v…@example.com',
    emailVerified: false,
    session: { device: { label: 'Unknown device', browser: null, os: null } },
  });
  expect(JSON.stringify(body)).not.toMatch(/0800|Bank/);

  const token = await t.mailbox.tokenFor(email, SUBJECTS.verification);
  expect((await t.a.call('POST', '/auth/email/verify', { body: { token } })).status).toBe(204);
  expect((await preview(disown)).body).toMatchObject({
    email,
    emailVerified: true,
    session: { device: { label: 'Your-Bank-Calls', browser: 'Your-Bank-Calls', os: null } },
  });
});

it('Unknown, used, withdrawn and expired links are one and the same invalid_link_token', async () => {
  const tokens = ['x'.repeat(43), ''];
  const { user } = await t.a.signUp();
  const credentials = { email: user.email, password: PASSWORD };
  tokens.push(await t.mailbox.tokenFor(user.email, SUBJECTS.verification));
  await t.a.call('POST', '/auth/email/verify', { body: { token: tokens.at(-1) } });
  await t.a.call('POST', '/auth/password/forgot', { body: { email: user.email } });
  tokens.push(await t.mailbox.tokenFor(user.email, SUBJECTS.reset));
  await t.a.login(credentials, { headers: { 'user-agent': LURE } });
  const disown = await t.mailbox.tokenFor(user.email, SUBJECTS.newDevice);
  // Withdraws the link to set a password.
  await t.a.call('POST', '/sessions/disown', { body: { token: disown } });
  tokens.push(disown);
  const other = await t.a.signUp();
  tokens.push(await t.mailbox.tokenFor(other.user.email, SUBJECTS.verification));
  await t.database.query(`UPDATE mailed_tokens SET expires_at = now() WHERE user_id = $1`, [other.user.id]);

  for (const token of tokens) {
    const { status, body } = await preview(token);
    expect([status, body.code]).toEqual([400, 'invalid_link_token']);
  }
});

it('A look at a link counts as a try of its token', async () => {
  const limited = await startInstance({
    env: { DATABASE_URL: t.database.url, RATE_LIMIT: 'on', MAILED_TOKENS_PER_ADDRESS: '3', SMTP_URL: t.mailbox.url },
  });
  try {
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await preview('x'.repeat(43), limited.api));
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 429]);
    expect(answers[3]!.headers.get('retry-after')).toMatch(/^\d+$/);
  } finally {
    await limited.kill('SIGTERM');
  }
}, 30_000);
