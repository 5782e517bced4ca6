import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { until } from '../support/until.js';

// The service as an operator traces it, with OpenTelemetry's own instrumentation of HTTP and pg.

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  instance = await startInstance({
    env: { DATABASE_URL: database.url },
    command: [process.execPath, ['--import', './test/support/tracing.mjs', 'dist/main.js'], {}],
  });
}, 60_000);

afterAll(async () => {
  await instance?.kill('SIGTERM');
  await database?.drop();
});

interface Span {
  readonly span: string;
  readonly traceId: string;
  readonly route?: string;
}

const spans = (): Span[] =>
  instance
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{"span"'))
    .map((line) => JSON.parse(line));

it('The span of a request has its route, and the spans of its statements have their names', async () => {
  const { api } = instance;
  const { accessToken, session } = await api.signUp();
  await api.endSession(accessToken, session.id);
  const request = await until('the request is traced', () =>
    spans().find(({ span }) => span === 'DELETE /sessions/:id'),
  );
  expect(request.route).toBe('/sessions/:id');
  const statements = spans().filter(({ span, traceId }) => span.startsWith('pg.query:') && traceId === request.traceId);
  const names = statements.map(({ span }) => span.split(/[: ]/)[1]);
  expect(names).toContain('session_states');
  expect(names.filter((name) => !/^\w+$/.test(name!))).toEqual([]);

  await api.login({ email: 'nobody@example.com', password: 'not the password' });
  const login = await until('the login is traced', () => spans().find(({ span }) => span === 'POST /auth/login'));
  const ofLogin = spans().filter(({ traceId }) => traceId === login.traceId);
  expect(ofLogin.map(({ span }) => span.split(' ')[0])).toContain('pg.query:SELECT');
});

it('A request to an address that is no route leaves a span without that address', async () => {
  await instance.api.call('GET', '/made/up/by/a/client');
  await until('the request is traced', () => spans().some(({ span }) => span === 'GET'));
  expect(instance.output()).not.toContain('made/up');
});
