import { readFileSync } from 'node:fs';
import { someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { EventStream } from '../support/event-stream.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let instance: Instance;
let metricsUrl: string;
let atStart: string;

beforeAll(async () => {
  database = await createDatabase();
  const METRICS_PORT = String(await freePort());
  metricsUrl = `http://127.0.0.1:${METRICS_PORT}`;
  instance = await startInstance({ env: { DATABASE_URL: database.url, METRICS_PORT, RATE_LIMIT: 'on' } });
  atStart = await scrape();
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

it('The metrics count sessions, refreshes, refusals and requests by reason or outcome', async () => {
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

it('The metrics have every counter from the start, so that its first events show as an increase', async () => {
  const series = (text: string) =>
    [...text.matchAll(/^(latchkey_\w+_total(?:\{.*\})?|latchkey_session_check_duration_seconds_count\{.*\}) /gm)].map(
      ([, name]) => name,
    );
  const now = series(await scrape());
  expect(now).toContain('latchkey_refreshes_total{outcome="reused"}');
  expect(now.filter((one) => !series(atStart).includes(one))).toEqual([]);
  expect(valueOf(atStart, 'latchkey_refreshes_total')).toBe(0);
  expect(atStart).toContain('latchkey_session_check_duration_seconds_count{result="failed"} 0');
  expect(atStart).toContain('latchkey_http_answers_total{class="5xx"} 0');
});

it('The metrics count an event stream as an answer, but not the time it stayed open as latency', async () => {
  const { accessToken, refreshToken } = await instance.api.signUp();
  const ofStreams = async () => {
    const text = await scrape();
    return {
      latency: valueOf(text, 'latchkey_http_request_duration_seconds_count', { route: '/sessions/events' }),
      open: valueOf(text, 'latchkey_event_streams'),
      answers: valueOf(text, 'latchkey_http_answers_total', { class: '2xx' }),
    };
  };
  const before = await ofStreams();
  const stream = await EventStream.open(instance.api, accessToken);
  expect(await ofStreams()).toEqual({ ...before, open: 1 });
  await instance.api.logout(refreshToken);
  await stream.ended();
  // Those of the stream and of the logout.
  await until('it is counted', async () => (await ofStreams()).answers === before.answers + 2);
  expect(await ofStreams()).toEqual({ latency: before.latency, open: 0, answers: before.answers + 2 });

  // The control: what is refused took as long as it took.
  await instance.api.call('GET', '/sessions/events', { bearer: accessToken });
  expect((await ofStreams()).latency).toBe(before.latency + 1);
});

it('The metrics show the running versions of the service and of Node.js', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  expect(await scrape()).toContain(`latchkey_build_info{version="${version}",node="${process.versions.node}"} 1`);
});

it('No label of the metrics contains what a client made up', async () => {
  await instance.api.call('GET', '/made/up/by/a/client');
  await instance.api.endSession((await instance.api.register(someone())).body.accessToken, 'made-up-id');
  const text = await scrape();
  expect(text).not.toMatch(/made.up/);
  expect(text).toContain('route="/sessions/:id"');
});

it('The service shows every metric that the dashboard and the alerts name', async () => {
  const names = ['src/metrics/grafana-dashboard.json', 'src/metrics/alerts.yaml'].flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/\b(?:latchkey|nodejs|process)_\w+/g)].map(([name]) => name),
  );
  // That of a receiver is there once there is one.
  await database.query(`INSERT INTO receivers (url, kind, events) VALUES ('https://example.com', 'webhook', '{}')`);
  const text = await until('it is measured', async () => {
    const found = await scrape();
    return found.includes('latchkey_receiver_oldest_delivery_seconds{') && found;
  });
  const shown = new Set([...text.matchAll(/^(\w+)[ {]/gm)].map(([, name]) => name));
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !shown.has(name))).toEqual([]);
});

it('The metrics are served only at /metrics of their own port', async () => {
  expect((await instance.api.call('GET', '/metrics')).status).toBe(404);
  expect((await fetch(`${metricsUrl}/`)).status).toBe(404);
});
