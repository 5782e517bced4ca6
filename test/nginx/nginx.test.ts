import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api, type AuthResult, cookieOf, someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { expectInvariants } from '../support/invariants.js';
import { type Instance, PRODUCTION_LIMITS, startInstance } from '../support/instance.js';
import { ledger } from '../support/ledger.js';
import { until } from '../support/until.js';

// Two instances behind Debian's nginx, set up as src/process/README.md says, with TLS ended in front.
const [, documented = ''] = /```nginx\n([^]*?)```/.exec(readFileSync('src/process/README.md', 'utf8')) ?? [];

let database: TestDatabase;
let ports: [number, number];
let instances: Instance[];
let nginx: Nginx;
let https: Api;
let http: Api;

interface Nginx {
  /** What came over TLS, which was ended in front of it. */
  readonly https: Api;
  readonly http: Api;
  stop(): Promise<void>;
}

const startAt = (port: number) =>
  startInstance({
    env: {
      DATABASE_URL: database.url,
      PORT: String(port),
      TRUST_PROXY: '1',
      COOKIE_SECURE: 'on',
      ...PRODUCTION_LIMITS,
      SHUTDOWN_DELAY_MS: '500',
    },
  });

/** The documented configuration with ports of ours, and with one change where a test is about it. */
async function startNginx([first, second]: [number, number], change: [from: string, to: string] = ['', '']) {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-nginx-'));
  const [httpsPort, httpPort] = [await freePort(), await freePort()];
  const [upstream = '', server = ''] = documented
    .replace('127.0.0.1:3001', `127.0.0.1:${first}`)
    .replace('127.0.0.1:3002', `127.0.0.1:${second}`)
    .replaceAll(...change)
    .split(/^(?= *server \{)/m);
  const serverAt = (port: number) => server.replace('listen 443 ssl', `listen 127.0.0.1:${port}`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''}
    daemon off;
    pid ${folder}/pid;
    events {}
    http {
      access_log off;
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
      ${upstream}
      ${serverAt(httpsPort).replace('$scheme', 'https')}
      ${serverAt(httpPort)}
    }`,
  );
  const child: ChildProcess = spawn(
    'nginx',
    ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')],
    { stdio: 'inherit' },
  );
  const api = new Api(`http://127.0.0.1:${httpsPort}`);
  await until('nginx answers', () =>
    api.call('GET', '/health/ready').then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return {
    https: api,
    http: new Api(`http://127.0.0.1:${httpPort}`),
    async stop() {
      child.kill('SIGQUIT');
      await once(child, 'exit');
      rmSync(folder, { recursive: true });
    },
  };
}

beforeAll(async () => {
  expect(documented).toContain('proxy_next_upstream');
  database = await createDatabase();
  ports = [await freePort(), await freePort()];
  instances = await Promise.all(ports.map(startAt));
  nginx = await startNginx(ports);
  ({ https, http } = nginx);
}, 60_000);
afterAll(async () => {
  await nginx.stop();
  await Promise.all(instances.map((instance) => instance.kill('SIGTERM')));
  await expectInvariants(database);
  await database.drop();
});

it('Behind nginx a session shows the address that nginx saw, whatever the client claims', async () => {
  const headers = { 'x-forwarded-for': '203.0.113.66', 'x-real-ip': '203.0.113.66', forwarded: 'for=203.0.113.66' };
  const { body } = await https.register(someone(), { headers });
  expect(body.session.ip).toBe('127.0.0.1');
});

it('Behind nginx logins are limited by the address that nginx saw, at both instances together', async () => {
  const answers = [];
  for (let i = 0; i < 30; i++) {
    answers.push(await https.login(someone(), { headers: { 'x-forwarded-for': `198.51.100.${i}` } }));
  }
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(20);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(10);
  await database.query('DELETE FROM rate_limits');
});

it('Behind nginx the cookie is for https alone, and a refresh over http is refused', async () => {
  const answer = await https.register({ ...someone(), tokenDelivery: 'cookie' });
  expect(answer.headers.getSetCookie()).toEqual([
    expect.stringMatching(/^__Host-refresh_token=.*; Secure; SameSite=Strict$/),
  ]);
  expect((await https.refreshByCookie(cookieOf(answer))).status).toBe(200);

  const refused = await http.refreshByCookie(cookieOf(answer));
  expect([refused.status, refused.body.code]).toEqual([403, 'https_required']);
  expect(refused.headers.get('location')).toBeNull();
});

it('Behind nginx a login from the origin of the service is accepted, and one from another origin is refused', async () => {
  const call = (origin: string) => https.call('POST', '/auth/login', { body: someone(), headers: { origin } });
  expect((await call(https.url)).status).toBe(401);
  expect((await call('http://evil.example')).body.code).toBe('cross_site_request');
});

describe('while one instance after the other is replaced', () => {
  /** How often each status was answered meanwhile. */
  async function replaceAllBehind(api: Api): Promise<Map<number, number>> {
    await database.query('DELETE FROM rate_limits');
    const devices: AuthResult[] = [];
    for (let i = 0; i < 4; i++) devices.push(await api.signUp());
    const statuses = new Map<number, number>();
    let isRunning = true;
    const load = devices.map(async ({ accessToken }) => {
      while (isRunning) {
        for (const { status } of [
          await api.me(accessToken),
          await api.call('POST', '/auth/logout-others', { bearer: accessToken }),
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
    return statuses;
  }

  it('No request fails while the instances behind nginx are replaced one after the other', async () => {
    const statuses = await replaceAllBehind(https);
    expect([...statuses.keys()]).toEqual([200]);
    expect(statuses.get(200)).toBeGreaterThan(100);
  }, 120_000);

  it('Requests fail while the instances behind nginx are replaced where nginx counts failures', async () => {
    // Once is enough by default, too, for ten seconds: as long as it takes here, whatever the machine.
    const counting = await startNginx(ports, ['max_fails=0', 'fail_timeout=10m']);
    const statuses = await replaceAllBehind(counting.https);
    await counting.stop();
    expect(statuses.get(502)).toBeGreaterThan(0);
    // Answered by nginx, not by the service.
    ledger.failures.splice(0, Infinity, ...ledger.failures.filter((failure) => !failure.endsWith(': 502')));
  }, 120_000);
});

it('Requests that nginx sends again after a lost answer are answered as the documentation says', async () => {
  await database.query('DELETE FROM rate_limits');
  const [port, other] = ports;
  const losing = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1');
    socket.pipe(upstream);
    // Done, and the answer is on its way.
    upstream.once('data', () => socket.destroy());
    for (const one of [socket, upstream]) one.on('error', () => undefined).on('close', () => upstream.destroy());
  }).listen(await freePort(), '127.0.0.1');
  await once(losing, 'listening');
  const { port: losingPort } = losing.address() as AddressInfo;
  const behind = await startNginx([losingPort, other], [`${other} max_fails=0`, `${other} max_fails=0 backup`]);
  const api = behind.https;

  const [one, two, three] = [await https.signUp(), await https.signUp(), await https.signUp()];
  const second = await https.signIn(three.credentials);
  expect((await api.refresh(one.refreshToken)).status).toBe(200);
  expect((await api.logout(one.refreshToken)).status).toBe(204);
  expect((await api.call('POST', '/auth/logout', { bearer: two.accessToken })).status).toBe(204);
  expect((await api.logoutOthers(second.accessToken)).body).toEqual({ revoked: 0 });
  expect((await https.me(three.accessToken)).status).toBe(401);
  const third = await https.signIn(three.credentials);
  expect((await api.endSession(second.accessToken, third.session.id)).status).toBe(404);
  expect((await https.me(third.accessToken)).status).toBe(401);
  expect((await api.logoutAll(second.refreshToken)).status).toBe(401);
  expect((await https.me(second.accessToken)).status).toBe(401);
  const account = someone();
  expect((await api.register(account)).status).toBe(409);
  expect((await api.login(account)).status).toBe(200);
  expect((await https.sessions((await https.signIn(account)).accessToken)).body.items).toHaveLength(4);

  await behind.stop();
  losing.close();
}, 60_000);
