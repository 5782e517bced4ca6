import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Api, type AuthResult } from '../support/api.js';
import { useInstances } from '../support/instances.js';
import { until } from '../support/until.js';

// More than a connection holds that nobody reads.
const LINES = 20_000;
const ENDED = 600;

const t = useInstances(3, {
  env: (index) => ({ SESSION_CHECK_TIMEOUT_MS: '20000', REQUEST_TIMEOUT_MS: index < 2 ? '120000' : '1000' }),
  hasFaults: true,
  hasMissingRows: true,
});

/** An account that has been used for long. */
async function oldAccount(): Promise<AuthResult> {
  const account = await t.a.signUp();
  const { id } = account.user;
  await t.database.query(
    `INSERT INTO audit_events (type, outcome, user_id, at, ip, user_agent)
     SELECT 'login_failed', 'failure', $1, now() - make_interval(secs => i / 7), '203.0.113.7', repeat('x', 512)
     FROM generate_series(1, $2::integer) i`,
    [id, LINES],
  );
  return account;
}

/** An export whose reader has the head and waits. */
async function begin(api: Api, { accessToken }: AuthResult): Promise<IncomingMessage> {
  const request = get(`${api.url}/auth/me/export`, {
    agent: false,
    headers: { authorization: `Bearer ${accessToken}` },
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return response;
}

/** Reads on. Null where the answer was cut off. */
async function readOn(response: IncomingMessage): Promise<string | null> {
  const body = await text(response).catch(() => null);
  return response.complete ? body : null;
}

const exportOf = (api: Api, { accessToken }: AuthResult) => api.call('GET', '/auth/me/export', { bearer: accessToken });
const exportedLines = async ({ user }: AuthResult) =>
  (await t.database.query(`SELECT FROM audit_events WHERE user_id = $1 AND type = 'account_exported'`, [user.id]))
    .length;
/** The server is done with the export, one way or the other. */
const hasPlace = ({ user }: AuthResult) =>
  until('the place is free', async () => {
    const [row] = await t.database.query<{ count: number }>(
      `SELECT count(*)::integer AS count FROM rate_limits WHERE key = 'export:' || $1`,
      [user.id],
    );
    return row!.count === 0;
  });

it('A user has one export at a time over two instances, it is complete, and other users are served meanwhile', async () => {
  const account = await oldAccount();
  const others = await Promise.all(Array.from({ length: 4 }, () => t.b.signUp()));
  const first = await begin(t.a, account);
  expect(first.statusCode).toBe(200);

  const [refused, served] = await Promise.all([
    Promise.all(Array.from({ length: 11 }, (_, i) => exportOf(i % 2 ? t.a : t.b, account))),
    Promise.all(others.flatMap((one) => Array.from({ length: 10 }, (_, i) => (i % 2 ? t.a : t.b).me(one.accessToken)))),
  ]);
  for (const { status, body, headers } of refused) {
    expect([status, body.code]).toEqual([429, 'too_many_requests']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  }
  expect(new Set(served.map(({ status }) => status))).toEqual(new Set([200]));
  expect(await exportedLines(account)).toBe(1);

  const { events, sessions, user, ...rest } = JSON.parse((await readOn(first))!);
  expect([Object.keys(rest), user.id, sessions.length]).toEqual([['exportedAt'], account.user.id, 1]);
  const kept = await t.database.query<Record<string, unknown>>(
    `SELECT id, at, type, outcome, user_id AS "userId", session_id AS "sessionId", actor_id AS "actorId", reason, note, ip,
       user_agent AS "userAgent", request_id AS "requestId"
     FROM audit_events WHERE user_id = $1 ORDER BY at, id`,
    [account.user.id],
  );
  expect(events.length).toBeGreaterThan(LINES);
  expect(events).toEqual(JSON.parse(JSON.stringify(kept)));

  await hasPlace(account);
  expect((await exportOf(t.b, account)).status).toBe(200);
}, 90_000);

it('An export contains every session, ended ones too, in the order in which they began', async () => {
  const account = await t.a.signUp();
  const { id } = account.user;
  await t.database.query(
    `WITH made AS (
       INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, created_at, idle_expires_at,
         expires_at, revoked_at, revoked_reason, revoked_by)
       SELECT gen_random_uuid(), $1::uuid, sha256(($1::text || i)::bytea), 'body', 'curl/8.0', '203.0.113.7',
         now() - make_interval(mins => 1 + i / 5), now() + interval '1 day', now() + interval '1 day', now(), 'logout', $1::uuid
       FROM generate_series(1, $2::integer) i RETURNING *
     )
     INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, at)
     SELECT type, 'success', user_id, id, user_id, reason, revoked_at
     FROM made, (VALUES ('session_created', NULL), ('session_revoked', 'logout')) AS lines (type, reason)`,
    [id, ENDED],
  );
  const { body } = await exportOf(t.a, account);
  const kept = await t.database.query<{ id: string }>(
    'SELECT id FROM sessions WHERE user_id = $1 ORDER BY created_at, id',
    [id],
  );
  expect(body.sessions).toHaveLength(ENDED + 1);
  expect(body.sessions.map((session: { id: string }) => session.id)).toEqual(kept.map((row) => row.id));
  expect(body.sessions.at(-1)).toMatchObject({ current: true, revokedAt: null });
  expect(body.sessions[0]).toMatchObject({ current: false, revokedReason: 'logout' });
});

it('An instance runs two exports at a time: it answers a third with 503, and another instance serves it', async () => {
  const [first, second, third] = [await oldAccount(), await oldAccount(), await t.a.signUp()];
  const held = [await begin(t.a, first), await begin(t.a, second)];
  const refused = await exportOf(t.a, third);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
  expect((await exportOf(t.b, third)).status).toBe(200);
  for (const response of held) response.destroy();
  // Whose client is gone makes room.
  await Promise.all([first, second].map(hasPlace));
  expect((await exportOf(t.a, third)).status).toBe(200);
}, 60_000);

it('A HEAD request for the export answers with its headers and neither runs nor records an export', async () => {
  const account = await t.a.signUp();
  for (let i = 0; i < 3; i++) {
    const response = await fetch(`${t.a.url}/auth/me/export`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${account.accessToken}` },
    });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  }
  expect(await exportedLines(account)).toBe(0);
  expect((await exportOf(t.a, account)).headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(await exportedLines(account)).toBe(1);
});

it('An export breaks off when its session is ended at another instance', async () => {
  const account = await oldAccount();
  const response = await begin(t.a, account);
  expect((await t.b.endSession(account.accessToken, account.session.id)).status).toBe(204);
  await hasPlace(account);
  expect(await readOn(response)).toBeNull();
}, 60_000);

it('An export breaks off when the database fails, instead of ending as if it were complete', async () => {
  const account = await oldAccount();
  const response = await begin(t.a, account);
  await t.database.query('ALTER TABLE audit_events RENAME TO audit_events_away');
  try {
    expect(await readOn(response)).toBeNull();
  } finally {
    await t.database.query('ALTER TABLE audit_events_away RENAME TO audit_events');
  }
  await hasPlace(account);
  expect((await exportOf(t.a, account)).status).toBe(200);
}, 60_000);

it('An export that is not read breaks off and lets the user start another', async () => {
  const account = await oldAccount();
  const response = await begin(t.instances[2]!.api, account);
  await hasPlace(account);
  expect(await readOn(response)).toBeNull();
  expect((await exportOf(t.a, account)).status).toBe(200);
}, 60_000);
