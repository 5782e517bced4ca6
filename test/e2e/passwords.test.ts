import { type AuthResult, type Credentials, cookieOf, PASSWORD, someone } from '../support/api.js';
import { SUBJECTS } from '../support/mailbox.js';
import { useMailedInstances } from '../support/mailed-instances.js';

const NEW_PASSWORD = 'another passphrase of a test';
const PUBLIC_URL = 'https://id.example.com';

// Two instances and a real mail server.
const t = useMailedInstances(2, { env: { SMTP_TIMEOUT_MS: '1000', PUBLIC_URL } });

const change = (bearer: string, newPassword = NEW_PASSWORD, currentPassword = PASSWORD, api = t.a) =>
  api.call('POST', '/auth/password/change', { bearer, body: { currentPassword, newPassword } });
const forgot = (email: string, api = t.a) => api.call('POST', '/auth/password/forgot', { body: { email } });
const reset = (token: string, newPassword = NEW_PASSWORD, api = t.a) =>
  api.call('POST', '/auth/password/reset', { body: { token, newPassword } });
const verify = (token: string) => t.a.call('POST', '/auth/email/verify', { body: { token } });

async function resetTokenFor(email: string, count = 1): Promise<string> {
  expect((await forgot(email)).status).toBe(202);
  return t.mailbox.tokenFor(email, SUBJECTS.reset, count);
}

/** Twenty devices in both deliveries, at both instances. */
async function manyDevices(credentials: Credentials) {
  const devices = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const api = i % 2 === 0 ? t.a : t.b;
      const answer = await api.login({ ...credentials, tokenDelivery: i % 4 < 2 ? 'body' : 'cookie' });
      return { ...answer.body, cookie: i % 4 < 2 ? null : cookieOf(answer) };
    }),
  );
  return devices as (AuthResult & { cookie: string | null })[];
}

async function expectAllEnded(devices: readonly (AuthResult & { cookie?: string | null })[]): Promise<void> {
  for (const [i, { accessToken, refreshToken, cookie }] of devices.entries()) {
    const api = i % 2 === 0 ? t.b : t.a;
    expect((await api.me(accessToken)).body.code).toBe('session_revoked');
    const refreshed = cookie ? await api.refreshByCookie(cookie) : await api.refresh(refreshToken);
    expect(refreshed.body.code).toBe('session_revoked');
  }
}

const reasonsOf = async (userId: string) =>
  (
    await t.database.query<{ reason: string }>(
      'SELECT DISTINCT revoked_reason AS reason FROM sessions WHERE user_id = $1 AND revoked_at IS NOT NULL',
      [userId],
    )
  ).map(({ reason }) => reason);

describe('changing a password', () => {
  it('A password change revokes every session and gives the caller a new one with the same device name', async () => {
    const me = await t.a.signUp({ deviceName: 'Work laptop' });
    const stranger = await t.b.signUp();
    const devices = await manyDevices(me.credentials);

    const { status, body } = await change(me.accessToken);
    expect(status).toBe(200);
    await expectAllEnded([me, ...devices]);
    expect(await reasonsOf(me.user.id)).toEqual(['password_changed']);
    expect(body.session).toMatchObject({ current: true, device: { name: 'Work laptop' } });
    expect(body.session.id).not.toBe(me.session.id);
    expect((await t.b.me(body.accessToken)).status).toBe(200);
    expect((await t.b.refresh(body.refreshToken)).status).toBe(200);
    expect((await t.b.me(stranger.accessToken)).status).toBe(200);

    expect((await t.b.login(me.credentials)).status).toBe(401);
    expect((await t.b.login({ ...me.credentials, password: NEW_PASSWORD })).status).toBe(200);
    const [mail] = await t.mailbox.await(me.credentials.email, SUBJECTS.changed);
    expect(mail!.text).toContain('every device was logged out');
  });

  it('A password change in a cookie session answers with a cookie and no refresh token in the body', async () => {
    const credentials = someone();
    const { body } = await t.a.register({ ...credentials, tokenDelivery: 'cookie' });
    const changed = await change(body.accessToken);
    expect(changed.body.refreshToken).toBeUndefined();
    expect((await t.b.refreshByCookie(cookieOf(changed))).status).toBe(200);
  });

  it('A password change without the right current password gets 403 and ends no session', async () => {
    const me = await t.a.signUp();
    const { status, body } = await change(me.accessToken, NEW_PASSWORD, 'not the password');
    expect([status, body.code]).toEqual([403, 'invalid_credentials']);
    expect((await t.a.me(me.accessToken)).status).toBe(200);
    expect((await t.a.login(me.credentials)).status).toBe(200);
  });

  it.each([
    ['short', 'must have at least 8 characters'],
    ['password123', /most common/],
  ])('A password change refuses a weak new password: %s', async (newPassword, message) => {
    const me = await t.a.signUp();
    const { status, body } = await change(me.accessToken, newPassword);
    expect([status, body.errors[0].field]).toEqual([400, 'newPassword']);
    expect(body.errors[0].message).toMatch(message);
  });

  it('Of many simultaneous password changes exactly one succeeds', async () => {
    const me = await t.a.signUp();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => change(me.accessToken, `${NEW_PASSWORD} ${i}`, PASSWORD, i % 2 ? t.a : t.b)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status !== 200).every(({ status }) => [401, 403].includes(status))).toBe(
      true,
    );
  });

  it('A login with the old password that races a password change leaves no session', async () => {
    for (let round = 0; round < 15; round++) {
      const me = await t.a.signUp();
      const [changed, ...logins] = await Promise.all([
        change(me.accessToken),
        ...[t.a, t.b, t.a].map((api) => api.login(me.credentials)),
      ]);
      expect(changed.status).toBe(200);
      for (const { status, body } of logins) {
        expect([200, 401]).toContain(status);
        if (status === 200) expect((await t.b.me(body.accessToken)).status).toBe(401);
      }
      expect((await t.b.sessions(changed.body.accessToken)).body.items).toHaveLength(1);
    }
  }, 60_000);

  it('A refresh that races a password change leaves no valid token', async () => {
    for (let round = 0; round < 20; round++) {
      const me = await t.a.signUp();
      const [changed, refreshed] = await Promise.all([change(me.accessToken), t.b.refresh(me.refreshToken)]);
      expect(changed.status).toBe(200);
      if (refreshed.status === 200) {
        expect((await t.a.me(refreshed.body.accessToken)).status).toBe(401);
        expect((await t.a.refresh(refreshed.body.refreshToken)).status).toBe(401);
      }
    }
  }, 60_000);
});

describe('a forgotten password', () => {
  it('A password reset by a mailed token revokes every session, opens none and confirms the address', async () => {
    const me = await t.a.signUp();
    const stranger = await t.b.signUp();
    const devices = await manyDevices(me.credentials);
    const token = await resetTokenFor(me.credentials.email);
    expect((await t.a.me(me.accessToken)).status).toBe(200);

    const answer = await reset(token, NEW_PASSWORD, t.b);
    expect([answer.status, answer.body]).toEqual([204, null]);
    expect(answer.headers.getSetCookie()).toEqual([]);
    await expectAllEnded([me, ...devices]);
    expect(await reasonsOf(me.user.id)).toEqual(['password_reset']);
    expect((await t.b.me(stranger.accessToken)).status).toBe(200);
    expect((await t.a.login(me.credentials)).status).toBe(401);
    const again = await t.a.login({ ...me.credentials, password: NEW_PASSWORD });
    // Whoever has the mail reads the address.
    expect(again.body.user.emailVerified).toBe(true);
  });

  it('The mailed link of a password reset leads to the configured address, whatever the request says', async () => {
    const { credentials } = await t.a.signUp();
    await t.a.call('POST', '/auth/password/forgot', {
      body: { email: credentials.email },
      headers: { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' },
    });
    const [mail] = await t.mailbox.await(credentials.email, SUBJECTS.reset);
    expect(mail!.text).toMatch(/https:\/\/id\.example\.com\/auth\/password\/reset\?token=[\w-]{43}\n/);
    expect(mail!.html).toContain('href="https://id.example.com/auth/password/reset?token=');
    expect(mail!.text + mail!.html).not.toContain('evil');
  });

  it('Asking for a password reset gets the same answer whether or not the account exists', async () => {
    const { credentials } = await t.a.signUp();
    const [known, unknown] = [await forgot(credentials.email), await forgot(someone().email)];
    const bare = ({ status, headers, body }: typeof known) => ({
      status,
      body,
      headers: [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name)),
    });
    expect(bare(unknown)).toEqual(bare(known));
    expect(known.status).toBe(202);
  });

  it('A reset token works once, and the other reset tokens of its account become invalid with it', async () => {
    const { credentials } = await t.a.signUp();
    const first = await resetTokenFor(credentials.email);
    const second = await resetTokenFor(credentials.email, 2);
    expect((await reset(second)).status).toBe(204);
    for (const token of [first, second]) {
      expect((await reset(token, 'yet another passphrase')).body.code).toBe('invalid_reset_token');
    }
  });

  it('Of many simultaneous uses of one reset token exactly one succeeds', async () => {
    const { credentials } = await t.a.signUp();
    const token = await resetTokenFor(credentials.email);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => reset(token, `${NEW_PASSWORD} ${i}`, i % 2 ? t.a : t.b)),
    );
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(answers.filter(({ body }) => body?.code === 'invalid_reset_token')).toHaveLength(7);
  });

  it('A reset token stays valid when the new password is refused', async () => {
    const { credentials } = await t.a.signUp();
    const token = await resetTokenFor(credentials.email);
    expect((await reset(token, 'short')).body.code).toBe('validation_failed');
    expect((await reset(token)).status).toBe(204);
  });

  it('A reset token expires, is stored only as a hash and works for nothing else', async () => {
    const me = await t.a.signUp();
    const token = await resetTokenFor(me.credentials.email);
    const rows = await t.database.query<{ row: string }>(
      'SELECT row_to_json(t)::text AS row FROM mailed_tokens t WHERE user_id = $1',
      [me.user.id],
    );
    expect(rows.map(({ row }) => row).join()).not.toContain(token);
    expect((await verify(token)).body.code).toBe('invalid_verification_token');
    expect((await t.a.call('POST', '/sessions/disown', { body: { token } })).body.code).toBe('invalid_disown_token');
    expect((await t.a.me(token)).body.code).toBe('invalid_token');
    expect((await t.a.refresh(token)).body.code).toBe('invalid_refresh_token');
    for (const other of [me.accessToken, me.refreshToken, '', 'x'.repeat(43)]) {
      expect((await reset(other)).status).toBe(400);
    }
    await t.database.query(`UPDATE mailed_tokens SET expires_at = now() WHERE user_id = $1`, [me.user.id]);
    expect((await reset(token)).body.code).toBe('invalid_reset_token');
  });

  it('A disabled account can neither use its reset token nor get another one by mail', async () => {
    const { credentials, user } = await t.a.signUp();
    const token = await resetTokenFor(credentials.email);
    await t.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    expect((await reset(token)).body.code).toBe('invalid_reset_token');
    expect((await forgot(credentials.email)).status).toBe(202);
    expect(
      await t.database.query('SELECT FROM mails WHERE user_id = $1 AND kind = $2', [user.id, 'password_reset']),
    ).toEqual([]);
  });
});

describe('an address', () => {
  it('An address is confirmed by the token of its mail, once, and a confirmed address gets no further mail', async () => {
    const { credentials, accessToken, user } = await t.a.signUp();
    expect(user.emailVerified).toBe(false);
    const token = await t.mailbox.tokenFor(credentials.email, SUBJECTS.verification);
    expect((await verify(token)).status).toBe(204);
    expect((await t.b.me(accessToken)).body.emailVerified).toBe(true);
    expect((await verify(token)).body.code).toBe('invalid_verification_token');
    // Nothing more to confirm, nothing mailed.
    expect((await t.a.call('POST', '/auth/email/resend', { bearer: accessToken })).status).toBe(202);
    expect(await t.database.query('SELECT FROM mails WHERE user_id = $1', [user.id])).toEqual([]);
  });

  it('A user can ask for another mail that confirms the address', async () => {
    const { credentials, accessToken } = await t.a.signUp();
    await t.mailbox.tokenFor(credentials.email, SUBJECTS.verification);
    expect((await t.b.call('POST', '/auth/email/resend', { bearer: accessToken })).status).toBe(202);
    expect((await verify(await t.mailbox.tokenFor(credentials.email, SUBJECTS.verification, 2))).status).toBe(204);
  });
});

describe('a sign-in from a new device', () => {
  const PHONE = {
    'user-agent':
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1',
  };
  const signIn = async (credentials: Credentials) => (await t.a.login(credentials, { headers: PHONE })).body;

  it('A login from a new device is mailed with device, IP address and time, and one from a known device is not', async () => {
    const { credentials, user } = await t.a.signUp();
    await t.a.signIn(credentials);
    await signIn(credentials);
    const [mail] = await t.mailbox.await(credentials.email, SUBJECTS.newDevice);
    expect(mail!.text).toMatch(
      /^Device: Safari on iOS\nInternet address: 127\.0\.0\.1\nWhen: \w+ \d+, \d{4} at \d\d:\d\d \(UTC/m,
    );
    await signIn(credentials);
    await t.a.signIn(credentials);
    const events = await t.database.query('SELECT FROM mails WHERE user_id = $1 AND kind = $2', [
      user.id,
      'new_device',
    ]);
    expect(events).toEqual([]);
    await t.database.query(`UPDATE known_devices SET last_seen_at = now() - interval '91 days' WHERE user_id = $1`, [
      user.id,
    ]);
    await signIn(credentials);
    await t.mailbox.await(credentials.email, SUBJECTS.newDevice, 2);
  });

  it('The token of a new-device mail revokes every session, invalidates the password and offers a reset', async () => {
    const me = await t.a.signUp();
    const thief = await signIn(me.credentials);
    const token = await t.mailbox.tokenFor(me.credentials.email, SUBJECTS.newDevice);
    const { status, body } = await t.b.call('POST', '/sessions/disown', { body: { token } });
    expect([status, body.revoked]).toEqual([200, 2]);
    await expectAllEnded([thief, me]);
    expect((await t.a.login(me.credentials)).body.code).toBe('invalid_credentials');
    expect(await reasonsOf(me.user.id)).toEqual(['disowned']);
    expect((await t.b.call('POST', '/sessions/disown', { body: { token } })).body.code).toBe('invalid_disown_token');
    expect((await reset(body.resetToken)).status).toBe(204);
    expect((await t.a.login({ ...me.credentials, password: NEW_PASSWORD })).status).toBe(200);
  });

  it('Opening a link of a mail changes nothing', async () => {
    const me = await t.a.signUp();
    const thief = await signIn(me.credentials);
    const token = await t.mailbox.tokenFor(me.credentials.email, SUBJECTS.newDevice);
    for (const path of ['/sessions/disown', '/auth/password/reset', '/auth/email/verify']) {
      const page = await fetch(`${t.a.url}${path}?token=${token}`);
      expect(page.status).toBe(200);
      expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
      expect(await page.text()).not.toContain(token);
    }
    expect((await t.b.me(thief.accessToken)).status).toBe(200);
    expect((await t.b.call('POST', '/sessions/disown', { body: { token } })).status).toBe(200);
  });
});

it('The reuse of a spent refresh token is reported to its user by mail, with the device that it logged out', async () => {
  const credentials = someone();
  const firefox = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0';
  const { refreshToken } = (await t.a.register(credentials, { headers: { 'user-agent': firefox } })).body;
  const second = (await t.a.refresh(refreshToken)).body;
  await t.a.refresh(second.refreshToken);
  expect((await t.a.refresh(refreshToken)).body.code).toBe('refresh_token_reused');
  const mails = await t.mailbox.await(credentials.email, SUBJECTS.reused);
  expect(mails).toHaveLength(1);
  expect(mails[0]!.text).toContain('Logged out: Firefox on Windows');
  expect(mails[0]!.text).toMatch(/The old key was used by: (?!Firefox)/);
});
