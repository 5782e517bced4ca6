import { METHODS } from 'node:http';
import type { Answer } from '../support/api.js';
import { useApp } from '../support/app.js';
import { raw } from '../support/raw.js';
import { until } from '../support/until.js';

const t = useApp({ VISIT_COOKIE: 'on' });

const NAMES = ['user', 'email', 'session', 'role', 'auth-time', 'acr', 'assertion'].map((name) => `x-latchkey-${name}`);
const PROBLEM = "Send a valid access token as 'Authorization: Bearer <accessToken>'.";

const ask = (bearer: string, query = '', headers: Record<string, string> = {}) =>
  t.api.call('GET', `/verify${query}`, { bearer, headers });
const asWho = ({ status, headers }: Answer) => [status, ...NAMES.map((name) => headers.get(name))];
const codeOf = ({ status, body }: Answer) => [status, body?.code];

/** A session whose password was given so long ago. */
async function signedInAgo(seconds: number): Promise<string> {
  const { session, refreshToken } = await t.api.signUp();
  await t.database.query(
    `UPDATE sessions SET authenticated_at = date_trunc('milliseconds', now() - make_interval(secs => $2)) WHERE id = $1`,
    [session.id, seconds],
  );
  return (await t.api.refresh(refreshToken)).body.accessToken;
}

describe('what a proxy is answered', () => {
  it('An open session is 200 with who is there in the headers, and nothing else', async () => {
    const { accessToken, user, session } = await t.api.signUp();
    const answer = await ask(accessToken);
    const [issuedAt] = await t.database.query<{ at: string }>(
      'SELECT floor(extract(epoch FROM authenticated_at))::text AS at FROM sessions WHERE id = $1',
      [session.id],
    );
    expect(asWho(answer)).toEqual([200, user.id, user.email, session.id, 'user', issuedAt!.at, '', '']);
    expect(answer.headers.get('content-length')).toBe('0');
    expect(answer.headers.get('content-type')).toBeNull();
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('location')).toBeNull();
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  it('What stands beyond printable ASCII in an address is percent-encoded, and so is the sign of that', async () => {
    const { accessToken, user } = await t.api.signUp();
    const email = `jürgen+50%41 ~"…😀${user.email}`;
    await t.database.query('UPDATE users SET email = $2 WHERE id = $1', [user.id, email]);
    const sent = (await ask(accessToken)).headers.get('x-latchkey-email');
    expect(sent).toBe(`j%C3%BCrgen+50%2541 ~"%E2%80%A6%F0%9F%98%80${user.email}`);
    expect(decodeURIComponent(sent!)).toBe(email);
  });

  it('The role is the one of now, and not that of the sign-in', async () => {
    const { accessToken, user } = await t.api.signUp();
    await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
    expect((await ask(accessToken)).headers.get('x-latchkey-role')).toBe('admin');
    await t.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    expect(codeOf(await ask(accessToken))).toEqual([401, 'session_revoked']);
    await t.database.query('UPDATE users SET disabled_at = NULL WHERE id = $1', [user.id]);
  });

  it.each([
    ['nothing', {}],
    ['an empty header', { authorization: '' }],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['no token', { authorization: 'Bearer' }],
    ['a forged token', { authorization: 'Bearer forged' }],
    ['two tokens', { authorization: 'Bearer one, Bearer two' }],
  ])('A request with %s is 401 with a challenge and a problem', async (_, headers: { authorization?: string }) => {
    const isBearer = headers.authorization?.startsWith('Bearer');
    const answer = await t.api.call('GET', '/verify', { headers });
    expect(codeOf(answer)).toEqual([401, 'invalid_token']);
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer realm="latchkey"${isBearer ? `, error="invalid_token", error_description="${PROBLEM}"` : ''}`,
    );
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(NAMES.filter((name) => answer.headers.has(name))).toEqual([]);
  });

  it('A refresh token is no access token, and no token is taken from a parameter', async () => {
    const { accessToken, refreshToken } = await t.api.signUp();
    expect(codeOf(await ask(refreshToken))).toEqual([401, 'invalid_token']);
    for (const name of ['access_token', 'token', 'authorization']) {
      expect(codeOf(await t.api.call('GET', `/verify?${name}=${accessToken}`))).toEqual([401, 'invalid_token']);
    }
    const cookie = `refresh_token=${refreshToken}; access_token=${accessToken}`;
    expect(codeOf(await t.api.call('GET', '/verify', { cookie }))).toEqual([401, 'invalid_token']);
  });

  it('A session that has ended or expired is 401 with the reason, and the audit trail says that its token is still in use', async () => {
    const { accessToken, refreshToken, session } = await t.api.signUp();
    await t.api.logout(refreshToken);
    const answer = await ask(accessToken);
    expect(codeOf(answer)).toEqual([401, 'session_revoked']);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(answer.headers.getSetCookie()).toEqual([]);
    await until('its use is recorded', async () => {
      const rows = await t.database.query(
        `SELECT FROM audit_events WHERE session_id = $1 AND type = 'ended_session_used'`,
        [session.id],
      );
      return rows.length === 1;
    });

    const expired = await t.api.signUp();
    await t.database.query(`UPDATE sessions SET idle_expires_at = now() WHERE id = $1`, [expired.session.id]);
    expect(codeOf(await ask(expired.accessToken))).toEqual([401, 'session_expired']);
  });
});

describe('what a proxy may ask for', () => {
  it('A role that the account does not have is 403, and recorded once', async () => {
    const { accessToken, user } = await t.api.signUp();
    for (const query of ['?role=admin', '?role=admin', '?role=admin&max_age=1000']) {
      const answer = await ask(accessToken, query);
      expect(codeOf(answer)).toEqual([403, 'forbidden']);
      expect(answer.headers.get('www-authenticate')).toBeNull();
      expect(NAMES.filter((name) => answer.headers.has(name))).toEqual([]);
    }
    const rows = await t.database.query(`SELECT FROM audit_events WHERE user_id = $1 AND type = 'access_refused'`, [
      user.id,
    ]);
    expect(rows).toHaveLength(1);
    expect((await ask(accessToken, '?role=user')).status).toBe(200);
    await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
    expect((await ask(accessToken, '?role=admin')).status).toBe(200);
    expect((await ask(accessToken, '?role=user')).status).toBe(200);
  });

  it('A sign-in that is older than the proxy asks for is 403 with the challenge of RFC 9470', async () => {
    const bearer = await signedInAgo(100);
    expect((await ask(bearer, '?max_age=1000')).status).toBe(200);
    const answer = await ask(bearer, '?max_age=99');
    expect(codeOf(answer)).toEqual([403, 'insufficient_user_authentication']);
    expect(answer.headers.get('www-authenticate')).toBe(
      'Bearer realm="latchkey", error="insufficient_user_authentication", ' +
        'error_description="This needs a more recent or a stronger sign-in. Log in again.", max_age="99"',
    );
    expect(codeOf(await ask(await signedInAgo(0), '?max_age=0'))).toEqual([403, 'insufficient_user_authentication']);
  });

  it('A password is aal1, and not aal2', async () => {
    const { accessToken } = await t.api.signUp();
    expect((await ask(accessToken, '?acr=aal1')).status).toBe(200);
    const answer = await ask(accessToken, '?acr=aal2&max_age=1000');
    expect(codeOf(answer)).toEqual([403, 'insufficient_user_authentication']);
    expect(answer.headers.get('www-authenticate')).toMatch(/, acr_values="aal2", max_age="1000"$/);
  });

  it.each([
    ['role=root', 'role'],
    ['role=', 'role'],
    ['role=Admin', 'role'],
    ['role=user&role=user', 'role'],
    ['role[]=user', 'role[]'],
    ['roles=admin', 'roles'],
    ['Role=user', 'Role'],
    ['max_age=abc', 'max_age'],
    ['max_age=-1', 'max_age'],
    ['max_age=1.5', 'max_age'],
    ['max_age=1e9', 'max_age'],
    ['max_age=', 'max_age'],
    ['max_age=9999999999', 'max_age'],
    ['acr=aal3', 'acr'],
    ['acr=aal1%20aal2', 'acr'],
    ['audience=', 'audience'],
    ['audience=a%20b', 'audience'],
    ['audience=%C3%BC', 'audience'],
    [`audience=${'a'.repeat(201)}`, 'audience'],
    ['audience=a&audience=b', 'audience'],
    ['audience=latchkey', 'audience'],
    ['sign_in=', 'sign_in'],
    ['sign_in=/', 'sign_in'],
    ['sign_in=https://evil.example/', 'sign_in'],
    ['sign_in=http://localhost:3000/&sign_in=http://localhost:3000/', 'sign_in'],
    ['__proto__=x', '__proto__'],
    ['constructor=x', 'constructor'],
  ])('The question ?%s lets no one in, and the answer names the parameter', async (query, field) => {
    const { accessToken } = await t.api.signUp();
    const answer = await ask(accessToken, `?${query}`);
    expect(codeOf(answer)).toEqual([403, 'validation_failed']);
    expect(answer.body.errors.map((error: { field: string }) => error.field)).toEqual([field]);
    // Nobody learns of it without a session.
    expect(codeOf(await t.api.call('GET', `/verify?${query}`))).toEqual([401, 'invalid_token']);
  });

  it('Of who is signed in sign_in asks nothing, where it is an address that people may be sent to', async () => {
    const { accessToken } = await t.api.signUp();
    expect((await ask(accessToken, '?sign_in=http://localhost:3000/?lang=de')).status).toBe(200);
  });

  it('Below /verify the query may be the client’s: it can ask for more of itself, and for nothing else', async () => {
    const { accessToken } = await t.api.signUp();
    const below = (query: string) => t.api.call('GET', `/verify/for/app?${query}`, { bearer: accessToken });
    expect((await below('page=2&constructor=x&roles=admin&sign_in=x')).status).toBe(200);
    expect(codeOf(await below('role=admin'))).toEqual([403, 'forbidden']);
    expect(codeOf(await below('max_age=no'))).toEqual([403, 'validation_failed']);
    expect(asWho(await below('audience=https://other.example.com')).at(-1)).toBe('');
  });
});

describe('what a proxy copies from the request it asks about', () => {
  it('Every method gets the verdict, and so does every path below', async () => {
    const { accessToken } = await t.api.signUp();
    const paths = [
      '/verify',
      '/verify/',
      '/verify/a/b',
      '/verify/../admin/users',
      '/verify//x',
      '/verify/%2e%2e/x',
      '/verify/%ff',
    ];
    const wrong: string[] = [];
    for (const method of METHODS.filter((one) => one !== 'CONNECT')) {
      for (const path of paths) {
        for (const [token, expected] of [
          [accessToken, '200'],
          ['forged', '401'],
        ]) {
          const answer = await raw(
            t.api.url,
            `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
          );
          if (!answer.startsWith(`HTTP/1.1 ${expected} `)) wrong.push(`${method} ${path} ${token}: ${answer}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('A path below that is not UTF-8 is one like any other, and what is asked for counts with it', async () => {
    const { accessToken } = await t.api.signUp();
    const paths = ['%ff', 'caf%e9/x', '%', '%zz', '%c0%af', 'batch%ff', 'batch/%ff', '%ff'.repeat(2500)];
    for (const path of paths) {
      const of = async (query: string, bearer?: string) =>
        (await t.api.call('GET', `/verify/${path}${query}`, bearer === undefined ? {} : { bearer })).status;
      expect([path, await of('', accessToken), await of('')]).toEqual([path, 200, 401]);
      expect([path, await of('?role=admin&x=%ff', accessToken), await of('?x=%ff', accessToken)]).toEqual([
        path,
        403,
        200,
      ]);
    }
    const upload = await t.api.call('POST', '/verify/%ff', {
      bearer: accessToken,
      body: 'x',
      headers: { 'content-type': 'x', 'sec-fetch-site': 'cross-site' },
    });
    expect(upload.status).toBe(200);
    expect(codeOf(await t.api.call('POST', '/verify/batch', { bearer: accessToken, body: {} }))).toEqual([
      401,
      'invalid_client',
    ]);
  });

  it('A path that is not UTF-8 is refused everywhere else', async () => {
    const { accessToken: bearer } = await t.api.signUp();
    for (const path of [
      '/%ff',
      '/verify%ff',
      '/%76erify/%ff',
      '/verif%ff',
      '/sessions/%ff',
      '/auth/me%ff',
      '/docs/%ff',
    ]) {
      for (const method of ['GET', 'DELETE']) {
        const { status, headers, body } = await t.api.call(method, path, {
          bearer,
          headers: { 'x-request-id': 'mine' },
        });
        expect([path, status, body.code, headers.get('x-request-id')]).toEqual([path, 400, 'bad_request', 'mine']);
      }
    }
  });

  it('No other spelling of its path is /verify', async () => {
    const { accessToken } = await t.api.signUp();
    for (const path of [
      '//verify',
      '/VERIFY',
      '/verify;x',
      '/verify%2f',
      '/verify%00',
      '/x/../verify',
      '/./verify',
      '/verifyx',
    ]) {
      const answer = await raw(
        t.api.url,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${accessToken}\r\nConnection: close\r\n\r\n`,
      );
      expect([path, answer.slice(0, 12)]).toEqual([path, 'HTTP/1.1 404']);
    }
  });

  it('Headers that say what the original request was, or imitate ours, change nothing', async () => {
    const { accessToken, user, session } = await t.api.signUp();
    const original = asWho(await ask(accessToken));
    const headers = {
      'x-forwarded-uri': '/public?role=user',
      'x-forwarded-prefix': '/public',
      'x-forwarded-host': 'evil.example.com',
      'x-forwarded-proto': 'http',
      'x-forwarded-method': 'OPTIONS',
      'x-original-url': 'https://evil.example.com/public',
      'x-original-uri': '/health/live',
      'x-original-method': 'OPTIONS',
      'x-rewrite-url': '/health/live',
      'x-http-method-override': 'OPTIONS',
      forwarded: 'for=127.0.0.1;proto=http;host=evil.example.com',
      'x-auth-request-redirect': '/health/live',
      'x-latchkey-user': '00000000-0000-4000-8000-000000000000',
      'x-latchkey-role': 'admin',
      'x-latchkey-assertion': 'forged',
      x_latchkey_role: 'admin',
    };
    expect(asWho(await ask(accessToken, '', headers))).toEqual(original);
    expect(original.slice(1, 5)).toEqual([user.id, user.email, session.id, 'user']);
    expect(codeOf(await ask(accessToken, '?role=admin', headers))).toEqual([403, 'forbidden']);
    expect(codeOf(await t.api.call('GET', '/verify', { headers }))).toEqual([401, 'invalid_token']);
  });

  it('What a browser says of a request to another site is no reason to refuse the question', async () => {
    const { accessToken } = await t.api.signUp();
    const lines = (pairs: Record<string, string>) =>
      Object.entries(pairs)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('');
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const said: Record<string, string>[] = [
        { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://app.example.com' },
        { 'Sec-Fetch-Site': 'same-site' },
        { Origin: 'null' },
        { Origin: 'https://app.example.com', 'Access-Control-Request-Method': 'POST' },
        // What a page of this service would be led to its one name for.
        { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' },
      ];
      for (const headers of said) {
        const answer = await raw(
          t.api.url,
          `${method} /verify HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nAuthorization: Bearer ${accessToken}\r\n` +
            `${lines(headers)}Connection: close\r\n\r\n`,
        );
        expect([method, headers, answer.slice(0, 12)]).toEqual([method, headers, 'HTTP/1.1 200']);
        expect(answer.toLowerCase()).not.toContain('access-control-');
      }
    }
  });
});

describe('bodies', () => {
  const head = (bearer: string, lines: string, method = 'POST') =>
    `${method} /verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bearer}\r\n${lines}\r\n`;

  it.each([
    ['POST', 'Content-Length: 104857600\r\nContent-Type: application/json\r\n'],
    ['GET', 'Content-Length: 104857600\r\n'],
    ['POST', 'Content-Length: 1\r\n'],
    ['PUT', 'Transfer-Encoding: chunked\r\nContent-Type: text/plain\r\n'],
    ['POST', 'Content-Length: 20\r\nExpect: 100-continue\r\n'],
  ])('A %s whose body never comes is answered at once, and its connection closed: %j', async (method, lines) => {
    const { accessToken } = await t.api.signUp();
    // Resolves when the connection ends, which is not by a time-out: that would be an answer, too.
    const answer = (await raw(t.api.url, head(accessToken, lines, method))).replace(
      'HTTP/1.1 100 Continue\r\n\r\n',
      '',
    );
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
  });

  it('A body that comes is not read as one, whatever it is, and the connection goes on', async () => {
    const { accessToken } = await t.api.signUp();
    const body = '{"refreshToken": GET /health/live HTTP/1.1\r\n\r\n';
    const one = (type: string) =>
      head(accessToken, `Content-Type: ${type}\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n`) + body;
    const chunked = `${head(accessToken, 'Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n0\r\n\r\n`;
    const last = head('forged', 'Connection: close\r\n', 'GET');
    const answers = await raw(
      t.api.url,
      one('application/json') + one('not a type') + one('multipart/form-data') + chunked + last,
    );
    expect([...answers.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)).toEqual([
      '200',
      '200',
      '200',
      '200',
      '401',
    ]);
  });
});
