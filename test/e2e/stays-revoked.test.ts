import { Client } from 'pg';
import { useApp } from '../support/app.js';

const t = useApp();

const REVIVALS = [
  'UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL, revoked_by = NULL WHERE id = $1',
  `UPDATE sessions SET revoked_at = now() + interval '1 day' WHERE id = $1`,
  `UPDATE sessions SET revoked_at = 'infinity' WHERE id = $1`,
  'UPDATE sessions SET id = gen_random_uuid() WHERE id = $1',
  `INSERT INTO sessions SELECT * FROM sessions WHERE id = $1 ON CONFLICT (id) DO UPDATE SET revoked_at = NULL`,
  `WITH kept AS (UPDATE sessions SET revoked_at = NULL WHERE id = $1 RETURNING id) SELECT FROM kept`,
];

/** Runs statements on one connection of a superuser. */
async function asSuperuser(statements: readonly (readonly [string, unknown[]])[]): Promise<void> {
  const client = new Client({ connectionString: t.database.adminUrl });
  await client.connect();
  try {
    for (const [text, values] of statements) await client.query(text, values);
  } finally {
    await client.end();
  }
}

it('A revoked session is opened again by no statement, not even by that of a superuser whose triggers are off', async () => {
  const { accessToken, refreshToken, session } = await t.api.signUp();
  expect((await t.api.logout(refreshToken)).status).toBe(204);
  for (const revival of REVIVALS) {
    for (const mode of ['origin', 'replica', 'local']) {
      const tried = asSuperuser([
        [`SET session_replication_role = ${mode}`, []],
        [revival, [session.id]],
      ]);
      await expect(tried).rejects.toMatchObject({
        code: '23001',
        message: `session ${session.id} is revoked, and stays so`,
      });
    }
  }
  expect((await t.api.me(accessToken)).status).toBe(401);
  expect((await t.api.refresh(refreshToken)).status).toBe(401);
});

it('Everything else of a revoked session may still be written, and an open session may be revoked', async () => {
  const { accessToken, refreshToken, session } = await t.api.signUp();
  expect((await t.api.logout(refreshToken)).status).toBe(204);
  await t.database.query(`UPDATE sessions SET last_seen_at = now(), expires_at = expires_at WHERE id = $1`, [
    session.id,
  ]);
  await t.database.query('UPDATE sessions SET revoked_at = revoked_at WHERE id = $1', [session.id]);
  expect((await t.api.me(accessToken)).status).toBe(401);
});
