import { createHash } from 'node:crypto';
import { cookieOf, PASSWORD, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { leaveUnseen } from '../support/time.js';
import { holdUsers } from '../support/held-rows.js';

const t = useApp({
  MAX_SESSIONS_PER_USER: '5',
  PASSWORD_HASH_PARALLEL: '8',
  // Many wait for one lock, and a busy machine must not turn that into 503.
  DATABASE_CONNECT_TIMEOUT_MS: '20000',
});

describe('registering', () => {
  it('Registering makes an account and signs the device in', async () => {
    const { email, password } = someone();
    const { status, body } = await t.api.register({ email, password, name: 'Ada', deviceName: 'Work laptop' });

    expect(status).toBe(201);
    expect(body).toEqual({
      accessToken: expect.any(String),
      tokenType: 'Bearer',
      expiresIn: 600,
      refreshToken: expect.stringMatching(/^v1\./),
      user: { id: body.user.id, email, name: 'Ada', role: 'user', emailVerified: false, createdAt: expect.any(String) },
      session: {
        id: expect.any(String),
        current: true,
        device: { label: 'node', name: 'Work laptop', browser: 'node', os: null, type: 'other' },
        ip: '127.0.0.1',
        userAgent: 'node',
        createdAt: expect.any(String),
        lastSeenAt: expect.any(String),
        expiresAt: expect.any(String),
        idleExpiresAt: expect.any(String),
      },
    });
    expect((await t.api.me(body.accessToken)).body).toMatchObject({ email, session: { id: body.session.id } });
  });

  it('The database keeps a password as an Argon2id hash, and of a refresh token only a SHA-256 hash', async () => {
    const { refreshToken, user, session } = await t.api.signUp();

    const [{ password_hash }] = (await t.database.query('SELECT password_hash FROM users WHERE id = $1', [
      user.id,
    ])) as any;
    expect(password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    const [row] = (await t.database.query('SELECT * FROM sessions WHERE id = $1', [session.id])) as any;
    expect(row.refresh_token_hash).toEqual(createHash('sha256').update(refreshToken).digest());
    expect(JSON.stringify(row)).not.toContain(refreshToken.split('.')[3]);
  });

  it('An e-mail address can be registered once, and logs in, whatever its case', async () => {
    const { credentials } = await t.api.signUp();
    const again = await t.api.register({ ...credentials, email: credentials.email.toUpperCase() });
    expect(again).toMatchObject({ status: 409, body: { code: 'email_taken' } });
    expect((await t.api.login({ ...credentials, email: credentials.email.toUpperCase() })).status).toBe(200);
  });

  it('Of 16 registrations of one address at once exactly one makes an account', async () => {
    const { email, password } = someone();
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, i) => t.api.register({ email: i % 2 ? email : email.toUpperCase(), password })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(15);
  });

  it.each([
    ['short', 'seven77', 'at least 8 characters'],
    ['short in code points, long in UTF-16', '😀😀😀😀😀😀😀', 'at least 8 characters'],
    ['common', 'Password1', 'most common'],
    ['common in another case', 'ILOVEYOU1', 'most common'],
    ['the name of the product', 'LatchKey', 'name of this service'],
    ['of more than 128 characters', 'x'.repeat(129), 'more than 128'],
  ])('Registering refuses a password that is %s, and says why', async (_, password, reason) => {
    const { status, body } = (await t.api.register({ ...someone(), password })) as any;
    expect(status).toBe(400);
    expect(body.code).toBe('validation_failed');
    expect(body.errors).toEqual([{ field: 'password', message: expect.stringContaining(reason) }]);
  });

  it('Registering refuses the part of the e-mail address before the @ as a password', async () => {
    const { status, body } = (await t.api.register({
      email: 'quentin.harding@example.com',
      password: 'Quentin.Harding',
    })) as any;
    expect([status, body.errors[0].message]).toEqual([400, 'is part of the e-mail address']);
  });

  it.each([
    ['with spaces at its ends', '  keep my spaces  ', 'keep my spaces'],
    ['of 128 characters', `${'p'.repeat(64)}${'q'.repeat(64)}`, `${'p'.repeat(64)}${'q'.repeat(63)}`],
    ['in mixed case', 'MiXeD CaSe 42', 'mixed case 42'],
  ])('A login verifies a password %s to the last character', async (_, password, almost) => {
    const credentials = { ...someone(), password };
    expect((await t.api.register(credentials)).status).toBe(201);
    expect((await t.api.login(credentials)).status).toBe(200);
    expect((await t.api.login({ ...credentials, password: almost })).status).toBe(401);
  });

  it('The same characters in another Unicode form are the same password', async () => {
    const credentials = { ...someone(), password: 'caf\u00e9 au lait' };
    expect((await t.api.register(credentials)).status).toBe(201);
    expect((await t.api.login({ ...credentials, password: 'cafe\u0301 au lait' })).status).toBe(200);
  });
});

describe('logging in', () => {
  it('A login always opens a new session, whatever cookies come with it', async () => {
    const first = await t.api.signUp({ tokenDelivery: 'cookie' });
    const login = await t.api.login(
      { ...first.credentials, tokenDelivery: 'cookie' },
      { cookie: `refresh_token=${first.refreshToken ?? 'x'}; sid=${first.session.id}` },
    );
    expect(login.body.session.id).not.toBe(first.session.id);
    expect((await t.api.me(first.accessToken)).status).toBe(200);
  });

  it('A login answers an unknown e-mail address, a wrong password and a disabled account alike', async () => {
    const { credentials } = await t.api.signUp();
    const disabled = await t.api.signUp();
    await t.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.user.id]);

    const answers = [
      await t.api.login({ ...credentials, password: 'a wrong password' }),
      await t.api.login({ ...someone(), password: PASSWORD }),
      await t.api.login(disabled.credentials),
    ];
    const seen = answers.map(({ status, headers, body }) => {
      const { requestId, ...rest } = body as any;
      const names = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
      return JSON.stringify([status, names, rest]);
    });
    expect(answers[0]!.status).toBe(401);
    expect(new Set(seen).size).toBe(1);
  });

  it('The audit trail records a refused login without the password that was typed', async () => {
    const { credentials, user } = await t.api.signUp();
    await t.api.login({ ...credentials, password: 'not the password' });
    const rows = await t.database.query(`SELECT * FROM audit_events WHERE user_id = $1 AND type = 'login_failed'`, [
      user.id,
    ]);
    expect(rows).toEqual([expect.objectContaining({ outcome: 'failure', ip: '127.0.0.1', user_agent: 'node' })]);
    expect(JSON.stringify(rows)).not.toContain('not the password');
  });

  it('Parallel logins all succeed while a weaker password hash is replaced with a stronger one', async () => {
    const { credentials, user } = await t.api.signUp();
    const weak = '$argon2id$v=19$m=8192,t=1,p=1$';
    const { hash } = await import('@node-rs/argon2');
    const weakHash = await hash(credentials.password, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
    expect(weakHash.startsWith(weak)).toBe(true);
    await t.database.query('UPDATE users SET password_hash = $2 WHERE id = $1', [user.id, weakHash]);

    const answers = await Promise.all([1, 2, 3].map(() => t.api.login(credentials)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const [row] = await t.database.query<{ password_hash: string }>('SELECT password_hash FROM users WHERE id = $1', [
      user.id,
    ]);
    expect(row!.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  it('Parallel logins keep to the session limit and revoke the least recently seen sessions', async () => {
    const first = await t.api.signUp();
    await leaveUnseen(t.database, first.session.id, '1 hour');
    // The user's row is held until every login stands at the same point, so that they go on together.
    const rows = await holdUsers(t.database, [first.user.id]);
    const logins = Promise.all(Array.from({ length: 12 }, () => t.api.signIn(first.credentials)));
    await rows.waiting('', 8);
    await rows.release();
    const others = await logins;

    const [{ count }] = (await t.database.query(
      'SELECT count(*)::integer AS count FROM sessions WHERE user_id = $1 AND revoked_at IS NULL',
      [first.user.id],
    )) as any;
    expect(count).toBe(5);
    expect((await t.api.me(first.accessToken)).body.code).toBe('session_revoked');
    const alive = (await Promise.all(others.map(({ accessToken }) => t.api.me(accessToken)))).filter(
      (a) => a.status === 200,
    );
    expect(alive).toHaveLength(5);
    const reasons = await t.database.query(
      `SELECT DISTINCT s.revoked_reason, s.revoked_by, e.type, e.reason FROM sessions s
       JOIN audit_events e ON e.session_id = s.id AND e.type = 'session_revoked' WHERE s.user_id = $1`,
      [first.user.id],
    );
    expect(reasons).toEqual([
      { revoked_reason: 'session_limit', revoked_by: null, type: 'session_revoked', reason: 'session_limit' },
    ]);
  });
});

describe('token delivery', () => {
  it('Token delivery by cookie sets the cookie and keeps the refresh token out of the JSON', async () => {
    const answer = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
    expect(answer.body).not.toHaveProperty('refreshToken');
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^refresh_token=v1\.[\w.-]+; Path=\/; Max-Age=(60479\d|604800); HttpOnly; SameSite=Strict$/,
      ),
    ]);
  });

  it('A refresh token is delivered by cookie unless the request asks otherwise', async () => {
    const answer = await t.api.call('POST', '/auth/register', { body: someone() });
    expect(answer.headers.getSetCookie()).toHaveLength(1);
    expect(answer.body).not.toHaveProperty('refreshToken');
  });

  it('Token delivery by body never sets a cookie', async () => {
    const { headers, body } = await t.api.register({ ...someone(), tokenDelivery: 'body' });
    expect(headers.getSetCookie()).toEqual([]);
    expect(body.refreshToken).toMatch(/^v1\./);
    expect((await t.api.refresh(body.refreshToken)).headers.getSetCookie()).toEqual([]);
  });

  it('A refresh takes a token only the way it was delivered, and a mix-up ends no session', async () => {
    const byCookie = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
    const byBody = await t.api.signUp();
    const token = cookieOf(byCookie).split('=')[1]!;

    expect(await t.api.refresh(token)).toMatchObject({ status: 401, body: { code: 'invalid_refresh_token' } });
    expect(await t.api.refreshByCookie(`refresh_token=${byBody.refreshToken}`)).toMatchObject({
      status: 401,
      body: { code: 'invalid_refresh_token' },
    });
    expect((await t.api.refreshByCookie(`refresh_token=${token}`)).status).toBe(200);
    expect((await t.api.refresh(byBody.refreshToken)).status).toBe(200);
  });

  it('A refresh with two different tokens is refused as ambiguous', async () => {
    const a = cookieOf(await t.api.register({ ...someone(), tokenDelivery: 'cookie' }));
    const b = cookieOf(await t.api.register({ ...someone(), tokenDelivery: 'cookie' }));
    const twice = await t.api.refreshByCookie(`${a}; ${b}`);
    const both = await t.api.call('POST', '/auth/refresh', { cookie: a, body: { refreshToken: b.split('=')[1] } });
    for (const answer of [twice, both]) {
      expect(answer).toMatchObject({ status: 400, body: { code: 'ambiguous_refresh_token' } });
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
    expect((await t.api.refreshByCookie(`${a}; ${a}`)).status).toBe(200);
  });

  it('A refresh ignores a cookie whose name is not exactly that of the refresh cookie', async () => {
    const cookie = cookieOf(await t.api.register({ ...someone(), tokenDelivery: 'cookie' }));
    const answer = await t.api.refreshByCookie(`Refresh_Token=${cookie.split('=')[1]}`);
    expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_refresh_token' } });
  });
});
