import { readFileSync } from 'node:fs';
import { someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';

let database: TestDatabase;
let instance: Instance;
let metricsUrl: string;

beforeAll(async () => {
  database = await createDatabase();
  const METRICS_PORT = String(await freePort());
  metricsUrl = `http://127.0.0.1:${METRICS_PORT}`;
  instance = await startInstance({ env: { DATABASE_URL: database.url, METRICS_PORT, RATE_LIMIT: 'on' } });
});
afterAll(async () => {
  await instance?.kill('SIGTERM');
  await database?.drop();
});

const scrape = async () => (await fetch(`${metricsUrl}/metrics`)).text();

/** The sum of the series of a metric whose labels contain all of these. */
function valueOf(text: string, name: string, labels: Record<string, string> = {}): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .filter((line) => Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

it('counts what happens, by what matters', async () => {
  const { api } = instance;
  const account = await api.signUp();
  const second = await api.refresh(account.refreshToken);
  await api.refresh(account.refreshToken);
  const third = await api.refresh(second.body.refreshToken);
  await api.refresh(account.refreshToken);
  await api.me(third.body.accessToken);
  await api.logoutAll((await api.signIn(account.credentials)).refreshToken);
  for (let i = 0; i < 7; i++) await api.login({ ...account.credentials, password: 'not the password' });

  const text = await scrape();
  expect(valueOf(text, 'latchkey_sessions_opened_total', { delivery: 'body' })).toBe(2);
  expect(valueOf(text, 'latchkey_sessions_ended_total', { reason: 'refresh_token_reuse' })).toBe(1);
  expect(valueOf(text, 'latchkey_sessions_ended_total', { reason: 'logout_all' })).toBe(1);
  expect(valueOf(text, 'latchkey_refreshes_total', { outcome: 'rotated' })).toBe(2);
  expect(valueOf(text, 'latchkey_refreshes_total', { outcome: 'repeated' })).toBe(1);
  expect(valueOf(text, 'latchkey_refreshes_total', { outcome: 'reused' })).toBe(1);
  expect(valueOf(text, 'latchkey_session_checks_refused_total', { reason: 'revoked' })).toBe(1);
  expect(valueOf(text, 'latchkey_session_check_batch_size_sum')).toBe(1);
  expect(valueOf(text, 'latchkey_rate_limit_hits_total', { limit: 'login_account' })).toBe(2);
  expect(valueOf(text, 'latchkey_password_hash_duration_seconds_count')).toBeGreaterThanOrEqual(7);
  expect(valueOf(text, 'latchkey_password_hash_queue_length')).toBe(0);
  expect(valueOf(text, 'latchkey_database_connections', { state: 'idle' })).toBeGreaterThan(0);
  expect(valueOf(text, 'latchkey_http_request_duration_seconds_count', { route: '/auth/login', status: '429' })).toBe(
    2,
  );
});

it('has no label that a client can make up', async () => {
  await instance.api.call('GET', '/made/up/by/a/client');
  await instance.api.endSession((await instance.api.register(someone())).body.accessToken, 'made-up-id');
  const text = await scrape();
  expect(text).not.toMatch(/made.up/);
  expect(text).toContain('route="/sessions/:id"');
});

it('shows every metric that the dashboard and the alerts name', async () => {
  const names = ['src/metrics/grafana-dashboard.json', 'src/metrics/alerts.yaml'].flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/\b(?:latchkey|nodejs|process)_\w+/g)].map(([name]) => name),
  );
  const text = await scrape();
  const shown = new Set([...text.matchAll(/^(\w+)[ {]/gm)].map(([, name]) => name));
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !shown.has(name))).toEqual([]);
});

it('is not to be had at the door of the service', async () => {
  expect((await instance.api.call('GET', '/metrics')).status).toBe(404);
  expect((await fetch(`${metricsUrl}/`)).status).toBe(404);
});
