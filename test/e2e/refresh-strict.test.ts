import { useApp } from '../support/app.js';

const t = useApp({ REFRESH_GRACE_SECONDS: '0' });

it('With a grace of 0 seconds the second use of a refresh token is reuse and revokes its session', async () => {
  const { refreshToken, session } = await t.api.signUp();
  const next = await t.api.refresh(refreshToken);
  expect(next.status).toBe(200);
  expect(await t.api.refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'refresh_token_reused' } });
  expect(await t.api.refresh(next.body.refreshToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
  const [row] = await t.database.query('SELECT revoked_reason FROM sessions WHERE id = $1', [session.id]);
  expect(row).toEqual({ revoked_reason: 'refresh_token_reuse' });
});

it('With a grace of 0 seconds one of 16 simultaneous refreshes succeeds and the others are reuse', async () => {
  const { refreshToken } = await t.api.signUp();
  const answers = await Promise.all(Array.from({ length: 16 }, () => t.api.refresh(refreshToken)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter(({ body }) => body.code === 'refresh_token_reused')).toHaveLength(15);
});
