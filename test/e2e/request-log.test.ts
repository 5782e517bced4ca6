import { once } from 'node:events';
import { connect } from 'node:net';
import { Api } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { EventStream } from '../support/event-stream.js';
import { holdUsers } from '../support/held-rows.js';
import { type Instance, startInstance } from '../support/instance.js';
import { raw } from '../support/raw.js';
import { until } from '../support/until.js';

const FIELDS = ['level', 'time', 'requestId', 'method', 'route', 'status', 'milliseconds'];

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const start = (env: Record<string, string>) =>
  startInstance({
    env: {
      NODE_ENV: 'production',
      COOKIE_SECURE: 'off',
      LOG_LEVEL: 'info',
      CORS_ORIGINS: 'https://app.example.com',
      DATABASE_STATEMENT_TIMEOUT_MS: '500',
      DATABASE_URL: database.url,
      JWT_SECRET: 'Nq8w-2Zk4-vB7x-Lp0s-Td5h-Gm3c-Yr6f-Ja1e',
      REFRESH_TOKEN_SECRET: 'Xc5t-8Wm1-hQ2j-Rk9d-Fv6n-Bs4g-Zp7l-Eu0y',
      ...env,
    },
  });

const recordsOf = (output: string): any[] =>
  output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const requestsOf = (records: readonly any[]) => records.filter(({ msg }) => msg === 'request');

const named = (id: string) => ({ headers: { 'x-request-id': id } });

/** Sends a login, or the part of it that fits, and leaves when it is time to. */
async function leave(url: string, lines: readonly string[], body: string, isTime: (answer: () => string) => unknown) {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  const head = ['POST /auth/login HTTP/1.1', 'Host: x', 'Content-Type: application/json', ...lines, '', ''];
  socket.write(head.join('\r\n') + body);
  await isTime(() => answer);
  socket.destroy();
}

/** One request of each outcome, named by its id. */
async function makeRequests({ api, url }: Instance): Promise<void> {
  const { accessToken, credentials, user } = await api.signUp();
  await api.call('GET', '/auth/me', { bearer: accessToken, ...named('fine') });
  await api.call('GET', '/auth/me', named('without-a-token'));
  await api.call('GET', '/no/such/address', named('nowhere'));
  await api.call('OPTIONS', '/auth/me', {
    headers: { origin: 'https://app.example.com', 'access-control-request-method': 'GET', 'x-request-id': 'preflight' },
  });
  await raw(url, 'GET /auth/me HTTP/1.1\r\nX-Request-Id: without-a-host\r\nConnection: close\r\n\r\n');

  const rows = await holdUsers(database, [user.id]);
  expect((await api.login(credentials, named('too-late'))).status).toBe(503);
  const body = JSON.stringify(credentials);
  const length = `Content-Length: ${body.length}`;
  await leave(url, [length, 'X-Request-Id: left'], body, () => rows.waiting('', 1));
  await leave(url, [length, 'X-Request-Id: left-early', 'Expect: 100-continue'], body.slice(0, 9), (answer) =>
    until('the head is read', () => answer().includes('100 Continue')),
  );
  await rows.release();

  const stream = await EventStream.open(api, accessToken);
  stream.close();
}

/** What an instance logs of them. */
async function logWith(env: Record<string, string>): Promise<any[]> {
  const instance = await start(env);
  await makeRequests(instance);
  await instance.kill('SIGTERM');
  return recordsOf(instance.output());
}

describe('By default', () => {
  let records: any[];
  beforeAll(async () => {
    records = await logWith({});
  });

  it('Of every request the log has one line, of fixed fields, with the person where there is one', () => {
    const lineOf = (id: string) => requestsOf(records).filter(({ requestId }) => requestId === id);
    const fields = (line: object) => Object.keys(line).filter((name) => name !== 'msg');
    expect(lineOf('fine')).toEqual([expect.objectContaining({ method: 'GET', route: '/auth/me', status: 200 })]);
    expect(fields(lineOf('fine')[0])).toEqual([...FIELDS, 'userId', 'sessionId']);
    expect(lineOf('without-a-token')).toEqual([expect.objectContaining({ route: '/auth/me', status: 401 })]);
    expect(fields(lineOf('without-a-token')[0])).toEqual(FIELDS);
    expect(lineOf('nowhere')).toEqual([expect.objectContaining({ route: null, status: 404 })]);
    expect(lineOf('preflight')).toEqual([expect.objectContaining({ method: 'OPTIONS', status: 204 })]);
    expect(lineOf('without-a-host')).toEqual([expect.objectContaining({ status: 400 })]);
    expect(lineOf('too-late')).toEqual([expect.objectContaining({ status: 503 })]);
  });

  it('A request whose client left has a line that says so, and an event stream that its client closed does not', () => {
    for (const id of ['left', 'left-early']) {
      const lines = requestsOf(records).filter(({ requestId }) => requestId === id);
      expect(lines).toEqual([expect.objectContaining({ status: null, aborted: true })]);
    }
    const streams = requestsOf(records).filter(({ route }) => route === '/sessions/events');
    expect(streams).toEqual([expect.objectContaining({ status: 200 })]);
    expect(streams[0]).not.toHaveProperty('aborted');
  });

  it('A client that leaves in the middle of its body is not logged as a failure of the service', () => {
    const failures = records.filter(({ level }) => level >= 50);
    expect(failures.map(({ msg }) => msg)).toEqual(['service_unavailable: POST /auth/login too-late']);
  });
});

it('With LOG_REQUESTS=errors the log has the requests that failed or were left by their client, and no others', async () => {
  const ids = requestsOf(await logWith({ LOG_REQUESTS: 'errors' })).map(({ requestId }) => requestId);
  expect(ids).toEqual(['too-late', 'left', 'left-early']);
});

it('With LOG_REQUESTS=off the log has no requests, and everything else', async () => {
  const records = await logWith({ LOG_REQUESTS: 'off' });
  expect(requestsOf(records)).toEqual([]);
  expect(records.map(({ msg }) => msg)).toContain('service_unavailable: POST /auth/login too-late');
});

it('A killed instance has logged every request that it had answered, but at most the last one', async () => {
  const instance = await start({});
  const closed = once(instance.process, 'close');
  const api = new Api(instance.url);
  const ids = Array.from({ length: 50 }, (_, i) => `request-${i}`);
  for (const id of ids) {
    expect((await api.call('GET', '/health/live', named(id))).status).toBe(200);
  }
  instance.process.kill('SIGKILL');
  await closed;
  const logged = requestsOf(recordsOf(instance.output())).map(({ requestId }) => requestId);
  expect(logged.slice(0, 49)).toEqual(ids.slice(0, 49));
});
