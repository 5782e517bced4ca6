import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api, type AuthResult, cookieOf, someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { expectInvariants } from '../support/invariants.js';
import { type Instance, startInstance } from '../support/instance.js';
import { until } from '../support/until.js';

// Two instances behind Debian's nginx, as they stand in production, with TLS ended in front.
let database: TestDatabase;
let ports: number[];
let instances: Instance[];
let nginx: ChildProcess;
let folder: string;
let https: Api;
let http: Api;

const startAt = (port: number) =>
  startInstance({
    env: {
      DATABASE_URL: database.url,
      PORT: String(port),
      TRUST_PROXY: '1',
      COOKIE_SECURE: 'on',
      RATE_LIMIT: 'on',
      SHUTDOWN_DELAY_MS: '500',
    },
  });

const configuration = (httpsPort: number, httpPort: number) => `
  ${process.getuid?.() === 0 ? 'user root;' : ''}
  daemon off;
  pid ${folder}/pid;
  error_log ${folder}/error.log;
  events {}
  http {
    access_log off;
    client_body_temp_path ${folder}/body;
    proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
    upstream latchkey {
      ${ports.map((port) => `server 127.0.0.1:${port} max_fails=0;`).join(' ')}
      keepalive 16;
    }
    proxy_http_version 1.1;
    # A connection may be closed at the very moment it is used again; every request of ours may be sent twice.
    proxy_next_upstream error timeout non_idempotent;
    # Whoever comes to the first has come over TLS, ended in front of it.
    server {
      listen 127.0.0.1:${httpsPort};
      location / { proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                   proxy_set_header Host $http_host; proxy_set_header Connection ""; proxy_pass http://latchkey; }
    }
    server {
      listen 127.0.0.1:${httpPort};
      location / { proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                   proxy_set_header Host $http_host; proxy_set_header Connection ""; proxy_pass http://latchkey; }
    }
  }
`;

beforeAll(async () => {
  database = await createDatabase();
  ports = [await freePort(), await freePort()];
  instances = await Promise.all(ports.map(startAt));
  folder = mkdtempSync(join(tmpdir(), 'latchkey-nginx-'));
  const [httpsPort, httpPort] = [await freePort(), await freePort()];
  writeFileSync(join(folder, 'nginx.conf'), configuration(httpsPort, httpPort));
  nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')], {
    stdio: 'inherit',
  });
  https = new Api(`http://127.0.0.1:${httpsPort}`);
  http = new Api(`http://127.0.0.1:${httpPort}`);
  await until('nginx answers', () =>
    https.call('GET', '/health/ready').then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
});
afterAll(async () => {
  nginx.kill('SIGQUIT');
  await once(nginx, 'exit');
  await Promise.all(instances.map((instance) => instance.kill('SIGTERM')));
  rmSync(folder, { recursive: true });
  await expectInvariants(database);
  await database.drop();
});

it('shows the address nginx saw, whatever the client claims', async () => {
  const headers = { 'x-forwarded-for': '203.0.113.66', 'x-real-ip': '203.0.113.66', forwarded: 'for=203.0.113.66' };
  const { body } = await https.register(someone(), { headers });
  expect(body.session.ip).toBe('127.0.0.1');
});

it('limits by that address, at both instances together', async () => {
  const answers = [];
  for (let i = 0; i < 30; i++) {
    answers.push(await https.login(someone(), { headers: { 'x-forwarded-for': `198.51.100.${i}` } }));
  }
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(20);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(10);
  await database.query('DELETE FROM rate_limits');
});

it('keeps the cookie to https, and refuses what came over http', async () => {
  const answer = await https.register({ ...someone(), tokenDelivery: 'cookie' });
  expect(answer.headers.getSetCookie()).toEqual([
    expect.stringMatching(/^__Host-refresh_token=.*; Secure; SameSite=Strict$/),
  ]);
  expect((await https.refreshByCookie(cookieOf(answer))).status).toBe(200);

  const refused = await http.refreshByCookie(cookieOf(answer));
  expect([refused.status, refused.body.code]).toEqual([403, 'https_required']);
  expect(refused.headers.get('location')).toBeNull();
});

it('takes the origin of the page for its own, since nginx passes the host', async () => {
  const call = (origin: string) => https.call('POST', '/auth/login', { body: someone(), headers: { origin } });
  expect((await call(https.url)).status).toBe(401);
  expect((await call('http://evil.example')).body.code).toBe('cross_site_request');
});

it('fails no request while one instance after the other is replaced', async () => {
  await database.query('DELETE FROM rate_limits');
  const devices: AuthResult[] = [];
  for (let i = 0; i < 4; i++) devices.push(await https.signUp());
  const statuses = new Map<number, number>();
  let isRunning = true;
  const load = devices.map(async ({ accessToken }) => {
    while (isRunning) {
      for (const { status } of [
        await https.me(accessToken),
        await https.call('POST', '/auth/logout-others', { bearer: accessToken }),
      ]) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }
  });
  for (const [i, port] of ports.entries()) {
    expect(await instances[i]!.kill('SIGTERM')).toBe(0);
    instances[i] = await startAt(port);
  }
  isRunning = false;
  await Promise.all(load);
  expect([...statuses.keys()]).toEqual([200]);
  expect(statuses.get(200)).toBeGreaterThan(100);
}, 60_000);
