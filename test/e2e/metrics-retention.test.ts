import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { createApp } from '../../src/app.js';
import { loadConfig } from '../../src/config/load-config.js';
import { Retention } from '../../src/database/retention.js';
import { serveMetrics } from '../../src/process/metrics-server.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { SECRETS } from '../support/secrets.js';

let database: TestDatabase;
let app: NestFastifyApplication;
let metricsUrl: string;
let closeMetrics: () => void;

beforeAll(async () => {
  database = await createDatabase();
  const METRICS_PORT = String(await freePort());
  metricsUrl = `http://127.0.0.1:${METRICS_PORT}/metrics`;
  const config = loadConfig({ ...SECRETS, DATABASE_URL: database.url, METRICS_PORT });
  app = await createApp(config, pino({ enabled: false }));
  closeMetrics = await serveMetrics(config);
});
afterAll(async () => {
  await app?.close();
  closeMetrics?.();
  await database?.drop();
});

async function retention(what: string): Promise<Record<string, number>> {
  const text = await (await fetch(metricsUrl)).text();
  const found = text.matchAll(new RegExp(`^latchkey_retention_${what}\\{table="(\\w+)"\\} (.+)$`, 'gm'));
  return Object.fromEntries([...found].map(([, table, value]) => [table!, Number(value)]));
}

it('The metrics show what retention deletes of each table, when that last worked, and where it fails', async () => {
  const startedAt = await retention('last_success_timestamp_seconds');
  expect(Object.keys(startedAt)).toEqual(expect.arrayContaining(['sessions', 'audit_events', 'mailed_tokens']));
  expect(Object.values(await retention('rows_deleted_total')).every((count) => count === 0)).toBe(true);

  await database.query(
    `WITH owner AS (INSERT INTO users (email, password_hash) VALUES ('a@example.com', '') RETURNING id)
     INSERT INTO mailed_tokens (token_hash, purpose, user_id, email, expires_at)
     SELECT sha256(n::text::bytea), 'password_reset', owner.id, 'a@example.com', now() - interval '1 second'
     FROM owner, generate_series(1, 1500) n`,
  );
  await app.get(Retention).deleteDue();
  expect(await retention('rows_deleted_total')).toMatchObject({ mailed_tokens: 1500, sessions: 0 });
  const sweptAt = await retention('last_success_timestamp_seconds');
  for (const [table, at] of Object.entries(sweptAt)) expect(at).toBeGreaterThan(startedAt[table]!);

  await database.query('ALTER TABLE mailed_tokens RENAME COLUMN expires_at TO gone');
  await app
    .get(Retention)
    .deleteDue()
    .catch(() => 0);
  expect(await retention('failures_total')).toMatchObject({ mailed_tokens: 1, audit_events: 0 });
  const afterwards = await retention('last_success_timestamp_seconds');
  expect(afterwards['mailed_tokens']).toBe(sweptAt['mailed_tokens']);
  expect(afterwards['audit_events']).toBeGreaterThan(sweptAt['audit_events']!);
  await database.query('ALTER TABLE mailed_tokens RENAME COLUMN gone TO expires_at');
});
