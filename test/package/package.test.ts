import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { Api, someone } from '../support/api.js';
import { EventStream } from '../support/event-stream.js';
import { type Instance, startInstance } from '../support/instance.js';
import { raw } from '../support/raw.js';
import { type OwnPostgres, startPostgres, temporaryFolder } from '../support/postgres.js';
import { freePort } from '../support/free-port.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';
import { onFastify, printedAll, printedService } from '../support/printed.js';

const run = promisify(execFile);
const INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
const MINUTES = 60_000;

// The example as its reader has it: a folder of its own, and the package as it is published.
const folder = temporaryFolder();
const app = join(folder, 'nest-app');
let postgres: OwnPostgres;

beforeAll(async () => {
  const packed = run('npm', ['pack', '--pack-destination', folder]).then(() => {
    const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
    cpSync('test/examples/nest-app', app, { recursive: true });
    renameSync(join(folder, tarball!), join(app, 'latchkey.tgz'));
    return run('npm', INSTALL, { cwd: app });
  });
  [postgres] = await Promise.all([startPostgres(), packed]);
  cpSync('test/examples/consumers', join(app, 'consumers'), { recursive: true });
  const printed = printedService('Nest');
  writeFileSync(join(app, 'src/orders-express.ts'), printed);
  writeFileSync(join(app, 'src/orders-fastify.ts'), onFastify(printed));
  writeHostedPage(join(app, 'src/printed'));
}, 4 * MINUTES);

afterAll(async () => {
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
}, MINUTES);

it('An application that installs the package has Nest, TypeORM and what they share in one copy', () => {
  const modules = join(app, 'node_modules');
  for (const name of ['@nestjs/common', '@nestjs/core', 'reflect-metadata', 'rxjs', 'typeorm']) {
    expect([name, existsSync(join(modules, name))]).toEqual([name, true]);
    expect([name, existsSync(join(modules, 'latchkey/node_modules', name))]).toEqual([name, false]);
  }
});

it(
  'The example compiles against the types of the package, and so do users of the verifier and the client',
  async () => {
    const tsc = join(app, 'node_modules/typescript/bin/tsc');
    const compile = (...args: string[]) => run(process.execPath, [tsc, ...args], { cwd: app });
    await Promise.all([compile(), compile('-p', 'consumers')]).catch(({ stdout, message }) => {
      throw new Error(stdout || message);
    });
  },
  3 * MINUTES,
);

describe.each(['main.js', 'main-express.js'])('The example (%s)', (main) => {
  let instances: Instance[];
  let database: Client;
  let a: Instance['api'];
  let b: Instance['api'];
  let url: string;

  beforeAll(async () => {
    url = await createDatabase(main.replaceAll(/\W/g, '_'));
    const start = () =>
      startInstance({
        cwd: app,
        env: { DATABASE_URL: url, NO_COLOR: '1' },
        command: [process.execPath, [join('dist', main)], {}],
      });
    // One after the other: TypeORM's synchronize of the example is not made for two at once.
    instances = [await start(), await start()];
    [a, b] = [instances[0]!.api, instances[1]!.api];
    database = new Client({ connectionString: url });
    database.on('error', () => undefined);
    await database.connect();
  }, 2 * MINUTES);

  afterAll(async () => {
    await database?.end();
    await Promise.all((instances ?? []).map((instance) => instance.kill('SIGTERM')));
  }, MINUTES);

  const command = (path: string, ...args: string[]) =>
    run(process.execPath, [join('node_modules/latchkey/dist', path), ...args], {
      cwd: app,
      env: { PATH: process.env['PATH'], ...SECRETS, DATABASE_URL: url, DATABASE_SCHEMA: 'auth' },
    });

  it('guards its routes, and a logout at a route of Latchkey refuses them at once, on every instance', async () => {
    const { accessToken, credentials } = await a.signUp();
    const created = await b.call('POST', '/notes', { bearer: accessToken, body: { text: 'mine' } });
    expect([created.status, created.body.text]).toEqual([201, 'mine']);
    expect((await a.call('GET', '/notes', { bearer: accessToken })).body).toHaveLength(1);
    await a.signIn(credentials);
    expect((await b.call('GET', '/notes/devices', { bearer: accessToken })).body).toEqual({ count: 2 });

    expect((await b.call('POST', '/auth/logout', { bearer: accessToken })).status).toBe(204);
    for (const { api } of instances) {
      const refused = await api.call('GET', '/notes', { bearer: accessToken });
      expect(refused).toMatchObject({ status: 401, body: { statusCode: 401, code: 'session_revoked' } });
      expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"');
    }
  });

  it('opens what is public, and refuses every other route without a token', async () => {
    expect((await a.call('GET', '/notes/count')).status).toBe(200);
    for (const path of ['/notes', '/notes/devices', '/notes/all']) {
      const { status, headers, body } = await a.call('GET', path);
      expect([path, status, body.error]).toEqual([path, 401, 'Unauthorized']);
      expect(headers.get('www-authenticate')).toBe('Bearer realm="latchkey"');
    }
  });

  it('refuses two Authorization headers, whichever is first', async () => {
    const { accessToken } = await a.signUp();
    const [good, bad] = [`Authorization: Bearer ${accessToken}\r\n`, 'Authorization: Bearer x\r\n'];
    const ask = (lines: string) => raw(a.url, `GET /notes HTTP/1.1\r\nHost: x\r\n${lines}Connection: close\r\n\r\n`);
    expect(await ask(good)).toMatch(/^HTTP\/1\.1 200 /);
    for (const lines of [good + bad, bad + good]) expect(await ask(lines)).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('keeps the shape of its own errors, and its pipe to itself', async () => {
    const { accessToken: bearer } = await a.signUp();
    const unknown = await a.call('GET', '/nothing/here', { bearer });
    expect(unknown.body).toEqual({ message: 'Cannot GET /nothing/here', error: 'Not Found', statusCode: 404 });
    // Below an address of Latchkey too, where Latchkey has no route.
    expect((await a.call('GET', '/auth/nothing')).body).toHaveProperty('statusCode', 404);
    expect((await a.call('POST', '/notes', { bearer, body: { text: 1 } })).body).toMatchObject({
      statusCode: 400,
      message: ['text must be shorter than or equal to 1000 characters', 'text must be a string'],
    });
    const stripped = await a.call('POST', '/notes', { bearer, body: { text: 'x', unknown: 1 } });
    expect(stripped.status).toBe(201);

    const problem = await a.call('POST', '/auth/login', { body: { email: 1, unknown: 1 } });
    expect(problem.headers.get('content-type')).toContain('application/problem+json');
    expect(problem.body.errors).toContainEqual({ field: 'unknown', message: 'is not expected here' });
    expect(problem.headers.get('x-frame-options')).toBe('DENY');
    expect((await a.call('PUT', '/auth/login')).status).toBe(405);
    expect((await a.call('GET', '/notes/count')).headers.get('x-frame-options')).toBeNull();
  });

  it('says on its own routes alone what it is made of', async () => {
    const poweredBy = async (path: string) => (await a.call('GET', path)).headers.get('x-powered-by');
    expect(await poweredBy('/notes/count')).toBe(main === 'main-express.js' ? 'Express' : null);
    for (const path of ['/auth/me', '/auth/login', '/.well-known/jwks.json']) {
      expect([path, await poweredBy(path)]).toEqual([path, null]);
    }
  });

  it('answers the addresses that it excludes, and Latchkey answers all others that it has', async () => {
    expect((await a.call('GET', '/health/live')).body).toEqual({ notes: 'ok' });
    expect((await a.call('GET', '/.well-known/jwks.json')).body.keys).toHaveLength(1);
    expect((await a.call('GET', '/')).status).toBe(404);
    expect((await a.call('GET', '/docs')).status).toBe(404);
  });

  it('has its tables where they were, and those of Latchkey in their own schema', async () => {
    const tables = async (schema: string) =>
      (await database.query('SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1', [schema])).rows.map(
        ({ tablename }) => tablename,
      );
    expect(await tables('public')).toEqual(['notes']);
    expect(await tables('auth')).toEqual(expect.arrayContaining(['audit_events', 'sessions', 'users']));
  });

  it('lets staff in as soon as they are granted the role, with the commands of the package', async () => {
    const { accessToken: bearer, credentials } = await a.signUp();
    const refused = await a.call('GET', '/notes/all', { bearer });
    expect(refused).toMatchObject({ status: 403, body: { statusCode: 403, code: 'forbidden' } });
    await command('bin/admin-grant.js', credentials.email);
    expect((await b.call('GET', '/notes/all', { bearer })).status).toBe(200);
  });

  it.each(['orders-express.js', 'orders-fastify.js'])(
    'protects the service of the page about the verifier (%s), which compiles and runs as it is printed',
    async (service) => {
      const { stdout } = await command('service-clients/client-add.js', service, '--scope', 'verify');
      const [, id = '', secret = ''] = /client_id: (\S+)\s+client_secret: (\S+)/.exec(stdout) ?? [];
      const port = await freePort();
      const compiled = join(app, 'dist', service);
      writeFileSync(compiled, readFileSync(compiled, 'utf8').replace(/listen\(\d+\)/, `listen(${port})`));
      const child = spawn(process.execPath, [compiled], {
        env: { LATCHKEY_URL: a.url, LATCHKEY_CLIENT_ID: id, LATCHKEY_CLIENT_SECRET: secret },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const orders = new Api(`http://127.0.0.1:${port}`);
      await until('it listens', () => orders.call('GET', '/').catch(() => child.exitCode !== null));

      const { accessToken: bearer, user } = await a.signUp();
      expect((await orders.call('GET', '/')).status).toBe(200);
      expect((await orders.call('GET', '/orders')).status).toBe(401);
      expect(await orders.call('GET', '/orders', { bearer })).toMatchObject({ status: 200, body: { of: user.id } });
      await b.call('POST', '/auth/logout', { bearer });
      expect((await orders.call('GET', '/orders', { bearer })).status).toBe(401);

      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      expect(await gone).toEqual([null, 'SIGTERM']);
    },
  );

  it('streams what happens to the sessions of an account, and closes with streams open', async () => {
    const account = await a.signUp();
    const other = await a.signIn(account.credentials);
    const stream = await EventStream.open(b, account.accessToken);
    await a.endSession(account.accessToken, other.session.id);
    await stream.await('session.revoked', other.session.id);

    const instance = instances.pop()!;
    const gone = once(instance.process, 'exit');
    instance.process.kill('SIGTERM');
    expect(await gone).toEqual([null, 'SIGTERM']);
    expect(stream.endedAt).not.toBeNull();
    expect(instance.output()).not.toMatch(/ERROR|Error:/);
  });

  it('answers 503 on its own routes while the database does not answer, and neither 200 nor 401', async () => {
    const { accessToken: bearer } = await a.signUp();
    postgres.pause();
    try {
      const { status, headers, body } = await a.call('GET', '/notes/devices', { bearer });
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'service_unavailable', '1']);
    } finally {
      postgres.resume();
    }
    expect((await a.call('GET', '/notes', { bearer })).status).toBe(200);
  });
});

describe.each([
  ['in production, as it is printed', (compiled: string) => compiled, /^__Host-refresh_token=.*; Secure/],
  [
    'on your own machine, as the page says',
    (compiled: string) => compiled.replace("'production'", "'development'").replace(/publicUrl: .*,/, ''),
    /^refresh_token=(?!.*Secure)/,
  ],
])('The application of the page about hosting %s', (where, change, cookie) => {
  it('guards its routes, and a logout at a route of Latchkey refuses them at once', async () => {
    const url = await createDatabase(where.replaceAll(/\W/g, '_'));
    const module = join(app, 'dist/printed/app.module.js');
    const printed = readFileSync(module, 'utf8');
    writeFileSync(module, change(printed));
    const instance = await startInstance({
      cwd: app,
      env: { DATABASE_URL: url, NO_COLOR: '1' },
      command: [process.execPath, ['dist/printed/main.js'], {}],
    });
    try {
      const { api } = instance;
      const { accessToken: bearer, user } = await api.signUp();
      expect((await api.call('GET', '/notes')).status).toBe(401);
      expect(await api.call('GET', '/notes', { bearer })).toMatchObject({ status: 200, body: { notesOf: user.id } });
      expect(await api.call('GET', '/notes/count')).toMatchObject({ status: 200, body: { count: 0 } });
      expect((await api.call('GET', '/notes/all', { bearer })).status).toBe(403);
      expect((await api.call('POST', '/auth/logout', { bearer })).status).toBe(204);
      expect((await api.call('GET', '/notes', { bearer })).status).toBe(401);
      const { headers } = await api.register({ ...someone(), tokenDelivery: 'cookie' });
      expect(headers.getSetCookie()).toEqual([expect.stringMatching(cookie)]);
    } finally {
      writeFileSync(module, printed);
      await instance.kill('SIGTERM');
    }
  }, 60_000);
});

/** Writes what src/hosted/README.md prints, with no more around it than its readers have. */
function writeHostedPage(into: string): void {
  const [appModule = '', controller = '', asynchronous = '', socket = ''] = printedAll('src/hosted/README.md', 'ts');
  mkdirSync(into);
  const write = (name: string, ...lines: string[]) => writeFileSync(join(into, name), lines.join('\n'));
  write('app.module.ts', appModule);
  write('notes.controller.ts', controller);
  // What `nest new` writes, and the line that the page asks for.
  write(
    'main.ts',
    "import { NestFactory } from '@nestjs/core';",
    "import { AppModule } from './app.module.js';",
    'const app = await NestFactory.create(AppModule);',
    'app.enableShutdownHooks();',
    "await app.listen(process.env['PORT'] ?? 3000, '127.0.0.1');",
    'console.log(`listening at ${await app.getUrl()}`);',
  );
  write(
    'pieces.ts',
    "import { AccessTokens, LatchkeyModule, SessionChecker, SessionWatcher, type LatchkeySettings } from 'latchkey';",
    'declare class ConfigService { getOrThrow(name: string): LatchkeySettings }',
    `export const asynchronous = () => ${asynchronous}`,
    'interface Socket { close(code: number, reason: string): void; on(event: string, listener: () => void): void }',
    'export class Sockets {',
    '  constructor(private tokens: AccessTokens, private checker: SessionChecker, private watcher: SessionWatcher) {}',
    `  async open(accessToken: string, socket: Socket) {\n${socket}  }`,
    '}',
  );
}

/** Returns its URL. */
async function createDatabase(name: string): Promise<string> {
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  return Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href;
}
