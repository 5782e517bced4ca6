import { useApp } from '../support/app.js';
import { holdSessions } from '../support/held-rows.js';
import { revokeSilently } from '../support/watched.js';

const POOL_SIZE = 2;
const t = useApp(
  {
    DATABASE_POOL_SIZE: String(POOL_SIZE),
    DATABASE_CONNECT_TIMEOUT_MS: '300',
    DATABASE_STATEMENT_TIMEOUT_MS: '60000',
  },
  { hasFaults: true },
);

it('While every pooled connection is busy, session checks and readiness still answer, and other requests get 503', async () => {
  const account = await t.api.signUp();
  const leaving = await t.api.signIn(account.credentials);
  const stuck = await Promise.all(Array.from({ length: POOL_SIZE }, () => t.api.signUp()));
  const rows = await holdSessions(
    t.database,
    stuck.map(({ session }) => session.id),
  );
  const refreshes = stuck.map(({ refreshToken }) => t.api.refresh(refreshToken));
  await rows.waiting('', POOL_SIZE);

  const answers = await Promise.all(Array.from({ length: 50 }, () => t.api.me(account.accessToken)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect((await t.api.call('GET', '/health/ready')).status).toBe(200);
  // As strict as ever.
  expect((await t.api.me(leaving.accessToken)).status).toBe(200);
  await revokeSilently(t, leaving.session.id);
  expect((await t.api.me(leaving.accessToken)).body.code).toBe('session_revoked');
  // Nothing else gets a connection.
  expect((await t.api.sessions(account.accessToken)).status).toBe(503);
  expect((await t.api.login(account.credentials)).status).toBe(503);

  await rows.release();
  expect((await Promise.all(refreshes)).map(({ status }) => status)).toEqual(stuck.map(() => 200));
  expect((await t.api.sessions(account.accessToken)).status).toBe(200);
});
