import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { raw } from 'sql-template-tag';
import { ReservedConnections } from '../../src/database/reserved-connections.js';
import { useApp } from '../support/app.js';

const t = useApp({}, { hasMissingRows: true });

const MANY = 200_000;
const [, CHECK = ''] =
  /prepared as session_states\n([^]*?);\n/.exec(readFileSync('src/sessions/statements.sql', 'utf8')) ?? [];
const ASKED = `session_states(60, '{5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61}')`;
// A table is read from one end to the other, or an index is.
const READS_ALL = /Seq Scan on (?:users|sessions)|Index (?:Only )?Scan using \w+ on \w+ \w+\n(?! *Index Cond)/;

let asked = 0;

async function ask<Row extends object>(text: string): Promise<Row[]> {
  const { rows } = await t.app.get(ReservedConnections).prepared<any>(`asked_${asked++}`, raw(text));
  return rows;
}

const planOf = (rows: readonly object[]) => rows.map((row) => Object.values(row)[0]).join('\n');

async function insertMany(): Promise<void> {
  await t.database.query(
    `WITH owners AS (
       INSERT INTO users (email, password_hash)
       SELECT 'user-' || i || '@example.com', 'x' FROM generate_series(1, ${MANY}) AS i RETURNING id
     ), opened AS (
     INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, expires_at, idle_expires_at)
     SELECT gen_random_uuid(), id, sha256(uuid_send(id)), 'body', '', '192.0.2.1', now() + interval '1 day', now() + interval '1 day'
     FROM owners RETURNING id, user_id
     )
     INSERT INTO audit_events (type, outcome, user_id, session_id)
     SELECT 'session_created', 'success', user_id, id FROM opened`,
  );
}

it('A plan of the session check that was made on empty tables is good on big ones, whose statistics are not renewed', async () => {
  for (const table of ['users', 'sessions']) {
    await t.database.query(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
  }
  const unprotected = new Client({ connectionString: t.database.adminUrl });
  await unprotected.connect();
  await unprotected.query(`SET plan_cache_mode = force_generic_plan; PREPARE session_states AS ${CHECK}`);
  await unprotected.query(`EXECUTE ${ASKED}`);
  const { accessToken } = await t.api.signUp();
  for (let i = 0; i < 10; i++) expect((await t.api.me(accessToken)).status).toBe(200);

  await insertMany();
  expect(planOf((await unprotected.query(`EXPLAIN EXECUTE ${ASKED}`)).rows)).toMatch(READS_ALL);
  await unprotected.end();
  const plan = planOf(await ask(`EXPLAIN EXECUTE ${ASKED}`));
  expect(plan).toMatch(/Index Cond: \(id = ANY \(\$\d\)\)/);
  expect(plan).toContain('users_pkey');
  // Up to PostgreSQL 17, where it is not off for these connections.
  expect(plan).not.toContain('JIT');
  expect(plan).not.toMatch(READS_ALL);
  expect((await t.api.me(accessToken)).status).toBe(200);
}, 120_000);

it('The session check is planned once for each connection, however often it is asked', async () => {
  const plans = `SELECT generic_plans::integer, custom_plans::integer FROM pg_prepared_statements WHERE name = 'session_states'`;
  const [counted] = await ask<{ generic_plans: number; custom_plans: number }>(plans);
  expect(counted!.custom_plans).toBe(0);
  expect(counted!.generic_plans).toBeGreaterThan(10);
});
