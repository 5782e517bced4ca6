import {
  ApiError,
  LatchkeyClient,
  LatchkeyError,
  memoryStorage,
  SignedOutError,
  UnreachableError,
} from '../../src/client.mjs';
import type { ClientEvent, ClientEvents, ClientOptions, RefreshTokenStorage } from '../../src/client.mjs';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import type { AddressInfo } from 'node:net';
import { type AuthResult, PASSWORD, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { claimsOf, resign, signingKeyOf } from '../support/forge.js';
import { expire } from '../support/time.js';
import { until } from '../support/until.js';

// The client in Node.js, where the refresh token travels in the body.

// Accounts are deleted here.
const t = useApp({}, { hasMissingRows: true });
const NEW_PASSWORD = 'another passphrase of a test';
const clients: LatchkeyClient[] = [];

function newClient(options: ClientOptions = {}): LatchkeyClient {
  const client = new LatchkeyClient({ baseUrl: t.api.url, tokenDelivery: 'body', ...options });
  clients.push(client);
  return client;
}

/** A new account, signed in by the client. */
async function signUp(options: ClientOptions = {}) {
  const storage = memoryStorage();
  const client = newClient({ storage, ...options });
  const credentials = someone();
  expect(await client.register({ ...credentials, deviceName: 'A script' })).toBe(true);
  return { client, credentials, storage };
}

/** What a client has emitted, in its order. */
function listenTo<Type extends keyof ClientEvents>(client: LatchkeyClient, ...types: Type[]): ClientEvents[Type][] {
  const details: ClientEvents[Type][] = [];
  for (const type of types) client.addEventListener(type, ({ detail }: ClientEvent<Type>) => details.push(detail));
  return details;
}

const urlOf = (...request: Parameters<typeof fetch>): string => new Request(...request).url;

/** How often the service was asked for something. */
function countFetches(path: string): () => number {
  const spy = jest.spyOn(globalThis, 'fetch');
  return () => spy.mock.calls.filter((request) => urlOf(...request).endsWith(path)).length;
}

/** Lets a client hold an access token of the service's that is over, as one does that slept. */
async function holdExpiredToken(client: LatchkeyClient): Promise<void> {
  const key = await signingKeyOf(t.database);
  const { fetch } = globalThis;
  const spy = jest.spyOn(globalThis, 'fetch').mockImplementationOnce(async (...request) => {
    const result = (await (await fetch(...request)).json()) as AuthResult;
    const [iat, exp] = [700, 100].map((ago) => Math.floor(Date.now() / 1000) - ago);
    return Response.json({ ...result, accessToken: resign(result, key, { iat, exp }) });
  });
  await client.refresh();
  spy.mockRestore();
}

afterEach(() => {
  jest.restoreAllMocks();
  for (const client of clients.splice(0)) client.close();
});

describe('A client in Node.js', () => {
  it('registers, and knows the user and the session', async () => {
    const { client, credentials, storage } = await signUp();
    expect(client.isSignedIn).toBe(true);
    expect(client.user).toMatchObject({ email: credentials.email, role: 'user' });
    expect(client.session).toMatchObject({ current: true, device: { name: 'A script' } });
    expect(await storage.get()).toMatch(/^v1\./);
  });

  it('goes on with the refresh token that another run has stored', async () => {
    const { storage, credentials, client } = await signUp();
    const next = newClient({ storage });
    const signedIn = listenTo(next, 'signedin');
    expect(await next.start()).toBe(true);
    expect(next.user).toMatchObject({ email: credentials.email });
    expect(next.session?.id).toBe(client.session?.id);
    expect(signedIn).toHaveLength(1);
  });

  it('is not signed in where nothing is stored, and asks for nothing', async () => {
    const refreshes = countFetches('/auth/refresh');
    expect(await newClient().start()).toBe(false);
    expect(refreshes()).toBe(0);
  });

  it('lists, renames and revokes sessions', async () => {
    const { client, credentials } = await signUp();
    const { session: other } = await t.api.signIn(credentials);
    expect((await client.renameSession(other.id, 'A phone')).device.name).toBe('A phone');
    expect((await client.listSessions()).map(({ id }) => id)).toEqual([client.session?.id, other.id]);
    await client.revokeSession(other.id);
    expect(await client.listSessions()).toHaveLength(1);
    await t.api.signIn(credentials);
    await t.api.signIn(credentials);
    expect(await client.logOutOthers()).toBe(2);
    const { items } = await client.listEndedSessions({ limit: 2 });
    expect(items.map(({ reason }) => reason)).toEqual(['logout_others', 'logout_others']);
  });

  it('lists all sessions where one page does not hold them', async () => {
    const { client, credentials } = await signUp();
    await Promise.all(Array.from({ length: 4 }, () => t.api.signIn(credentials)));
    const { fetch } = globalThis;
    const asked: string[] = [];
    jest.spyOn(globalThis, 'fetch').mockImplementation((...request) => {
      asked.push(urlOf(...request));
      return fetch(urlOf(...request).replace('limit=100', 'limit=2'), request[1]);
    });
    const sessions = await client.listSessions();
    expect([new Set(sessions.map(({ id }) => id)).size, asked.length]).toEqual([5, 3]);
  });

  it('asks any other route by its path, with parameters, query and body', async () => {
    const { client } = await signUp();
    expect((await client.request('GET', '/sessions', { query: { limit: 1 } })).items).toHaveLength(1);
    expect(await client.request('GET', '/auth/me')).toMatchObject({ id: client.user?.id });
    expect(await client.request('POST', '/auth/email/resend')).toBeNull();
    const id = client.session?.id ?? '';
    expect(await client.request('DELETE', '/sessions/{id}', { params: { id } })).toBeNull();
  });

  it('has everything that is stored about the user as a file', async () => {
    const { client, credentials } = await signUp();
    expect(JSON.parse(await (await client.exportAccount()).text())).toMatchObject({
      user: { email: credentials.email },
    });
  });

  it('throws what the API refuses, by its code', async () => {
    const { client, credentials } = await signUp();
    const taken = await newClient()
      .register(credentials)
      .catch((error: unknown) => error);
    expect(taken).toBeInstanceOf(ApiError);
    expect(taken).toMatchObject({ name: 'ApiError', code: 'email_taken', status: 409, errors: [] });
    const refused = await client.renameSession(client.session?.id ?? '', '').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'validation_failed', errors: [{ field: 'deviceName' }] });
    expect(refused).toBeInstanceOf(LatchkeyError);
  });

  it('says that there was no answer, of a service that is not there and of one that answers something else', async () => {
    const nowhere = newClient({ baseUrl: 'http://127.0.0.1:1' });
    await expect(nowhere.logIn(someone())).rejects.toBeInstanceOf(UnreachableError);
    const stranger = createServer((_, response) => response.end('<h1>Sign in to this network</h1>')).listen(
      0,
      '127.0.0.1',
    );
    await until('it listens', () => stranger.listening);
    const { port } = stranger.address() as AddressInfo;
    const lost = await newClient({ baseUrl: `http://127.0.0.1:${port}` })
      .logIn(someone())
      .catch((error: unknown) => error);
    expect(lost).toMatchObject({ name: 'UnreachableError', code: 'unreachable' });
    stranger.close();
  });

  it('needs a browser where the refresh token is a cookie, and says so', () => {
    expect(() => new LatchkeyClient({ baseUrl: t.api.url })).toThrow("set tokenDelivery to 'body'");
    expect(() => new LatchkeyClient({ tokenDelivery: 'body' })).toThrow('baseUrl');
  });
});

describe('The access token of a client', () => {
  it('is renewed once for all requests that find it over', async () => {
    const { client, storage } = await signUp();
    await holdExpiredToken(client);
    const before = await storage.get();
    const refreshes = countFetches('/auth/refresh');
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.request('GET', '/auth/me')));
    expect(new Set(answers.map(({ id }) => id))).toEqual(new Set([client.user?.id]));
    expect(refreshes()).toBe(1);
    expect(await storage.get()).not.toBe(before);
  });

  it('is handed out with a life of its own', async () => {
    const { client } = await signUp();
    const first = await client.getAccessToken();
    expect(await client.getAccessToken()).toBe(first);
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 9.6 * 60_000);
    const second = await client.getAccessToken();
    expect(second).not.toBe(first);
    expect(claimsOf(second ?? '')).toMatchObject({ sid: client.session?.id });
    await client.logOut();
    expect(await client.getAccessToken()).toBeNull();
  });

  it('goes with fetch to this service and to the origins that are named, and nowhere else', async () => {
    const seen: (string | undefined)[] = [];
    const statuses = [401, 200, 401, 401];
    const own = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(statuses.shift() ?? 500).end('answer');
    }).listen(0, '127.0.0.1');
    await until('it listens', () => own.listening);
    const origin = `http://127.0.0.1:${(own.address() as AddressInfo).port}`;
    const { client } = await signUp({ otherOrigins: [origin] });

    const first = await client.getAccessToken();
    expect(await (await client.fetch(`${origin}/orders`, { method: 'POST', body: '1' })).text()).toBe('answer');
    // Refused once, and asked for with a fresh one.
    expect(seen).toEqual([`Bearer ${first}`, `Bearer ${await client.getAccessToken()}`]);
    expect(seen[0]).not.toBe(seen[1]);
    expect((await client.fetch(`${origin}/orders`)).status).toBe(401);
    expect(client.isSignedIn).toBe(true);
    expect((await client.fetch('/auth/me')).status).toBe(200);

    for (const other of ['http://127.0.0.1:1/', 'https://127.0.0.1/', `${origin}@evil.example/`, '//evil.example/']) {
      await expect(client.fetch(other)).rejects.toThrow('otherOrigins');
    }
    own.close();
  });
});

describe('The path of a request', () => {
  const OUTSIDE = [
    '.evil.example/x',
    '@evil.example/x',
    ':1/x',
    '',
    'auth/me',
    'https://evil.example/x',
    '//evil.example/x',
    '/\\evil.example/x',
    '\\\\evil.example/x',
    '/\t/evil.example/x',
    '/\n\r\\evil.example/x',
    ' //evil.example/x',
  ];

  it.each(OUTSIDE)('cannot lead to another host: %j', async (path) => {
    const { client } = await signUp();
    const fetched = jest.spyOn(globalThis, 'fetch').mockResolvedValue(Response.json({}));
    await expect(client.request('GET', path as '/auth/me')).rejects.toThrow(TypeError);
    await expect(client.request('GET', path as '/auth/me')).rejects.toThrow('must begin with one "/"');
    expect(fetched).not.toHaveBeenCalled();
    expect(client.isSignedIn).toBe(true);
  });

  it('cannot lead to another host by an empty parameter', async () => {
    const { client } = await signUp();
    const path = '/{id}/evil.example' as '/sessions/{id}';
    await expect(client.request('GET' as 'DELETE', path, { params: { id: '' } })).rejects.toThrow(
      'must begin with one "/"',
    );
  });
});

describe('The refresh token of a client', () => {
  it('is read anew by each of two processes that share a storage, and neither ends the session', async () => {
    const { client, storage } = await signUp();
    const other = newClient({ storage });
    await other.start();
    for (const one of [client, other, client, other]) expect(await one.refresh()).toBe(true);
    expect(other.session?.id).toBe(client.session?.id);
  });

  it('is used under the lock of the storage, where it has one', async () => {
    const inner = memoryStorage();
    const steps: string[] = [];
    const storage: RefreshTokenStorage = {
      get: () => inner.get(),
      set: async (token) => {
        await new Promise((resolve) => setImmediate(resolve));
        await inner.set(token);
        steps.push('set');
      },
      delete: () => inner.delete(),
      lock: async (work) => {
        steps.push('locked');
        try {
          return await work();
        } finally {
          steps.push('open');
        }
      },
    };
    const { client } = await signUp({ storage });
    await Promise.all([client.refresh(), client.refresh()]);
    expect(steps.join(' ')).toBe('locked set open locked set open locked open');
  });

  it('that could not be stored is asked for again with the one before', async () => {
    const inner = memoryStorage();
    let isFull = false;
    const storage = {
      ...inner,
      set: (token: string) => {
        if (isFull) throw new Error('The disk is full.');
        return inner.set(token);
      },
    };
    const { client } = await signUp({ storage });
    isFull = true;
    await expect(client.refresh()).rejects.toThrow('The disk is full.');
    isFull = false;
    expect(await client.refresh()).toBe(true);
    expect(await client.request('GET', '/auth/me')).toMatchObject({ id: client.user?.id });
  });
});

describe('A client is signed out', () => {
  it('by its own logout, which ends the session and forgets the token', async () => {
    const { client, storage } = await signUp();
    const out = listenTo(client, 'signedout');
    const refreshToken = String(await storage.get());
    await client.logOut();
    expect(out).toEqual([{ reason: 'logout', wasSignedIn: true }]);
    expect([client.isSignedIn, client.user, client.signedOutReason]).toEqual([false, null, 'logout']);
    // As a refresh that was under way meanwhile, and is refused after it.
    expect([await client.refresh(), client.signedOutReason]).toEqual([false, 'logout']);
    expect(await storage.get()).toBeNull();
    expect((await t.api.refresh(refreshToken)).body.code).toBe('session_revoked');
    await expect(client.request('GET', '/auth/me')).rejects.toMatchObject({ code: 'invalid_token' });
  });

  it('by the logout of a run that has stored its token, without a start', async () => {
    const { client, storage } = await signUp();
    await newClient({ storage }).logOut();
    expect(await storage.get()).toBeNull();
    await expect(client.request('GET', '/auth/me')).rejects.toMatchObject({
      name: 'SignedOutError',
      reason: 'invalid_refresh_token',
    });
  });

  it('by a logout everywhere, with what others see of it', async () => {
    const { client, credentials } = await signUp();
    const other = newClient({ followEvents: true });
    const out = listenTo(other, 'signedout');
    const live = listenTo(other, 'live');
    await other.logIn(credentials);
    await until('the other one follows', () => live.length > 0);
    await client.logOutEverywhere();
    await until('the other one is signed out', () => out.length > 0);
    expect(out).toEqual([{ reason: 'logout_all', wasSignedIn: true }]);
    expect([client.signedOutReason, other.signedOutReason]).toEqual(['logout_all', 'logout_all']);
  });

  it('by the deletion of the account', async () => {
    const { client, storage } = await signUp();
    await expect(client.deleteAccount('not the password')).rejects.toMatchObject({ code: 'invalid_credentials' });
    expect(client.isSignedIn).toBe(true);
    await client.deleteAccount(PASSWORD);
    expect(client.signedOutReason).toBe('account_deleted');
    expect(await storage.get()).toBeNull();
  });

  it('where its session was ended or has expired, as soon as it asks, and the request says why', async () => {
    const revoked = await signUp();
    const { accessToken } = await t.api.signIn(revoked.credentials);
    await t.api.logoutOthers(accessToken);
    await expect(revoked.client.listSessions()).rejects.toBeInstanceOf(SignedOutError);
    expect(revoked.client.signedOutReason).toBe('session_revoked');
    expect(await revoked.storage.get()).toBeNull();

    const expired = await signUp();
    await expire(t.database, expired.client.session?.id ?? '');
    await expect(expired.client.listSessions()).rejects.toMatchObject({
      code: 'signed_out',
      reason: 'session_expired',
    });
  });

  it('by a logout of a session that is over already, for the reason that ended it', async () => {
    const { client, credentials } = await signUp();
    const { accessToken } = await t.api.signIn(credentials);
    await t.api.logoutOthers(accessToken);
    await client.logOut();
    expect([client.isSignedIn, client.signedOutReason]).toEqual([false, 'invalid_refresh_token']);
  });
});

it('A client stays signed in with another session when it changes its password', async () => {
  const { client, storage, credentials } = await signUp({ followEvents: true });
  const live = listenTo(client, 'live');
  await until('it follows', () => live.length > 0);
  const out = listenTo(client, 'signedout');
  const before = client.session?.id;
  await client.changePassword({ currentPassword: credentials.password, newPassword: NEW_PASSWORD });
  expect(client.session?.id).not.toBe(before);
  expect((await client.listSessions()).map(({ current }) => current)).toEqual([true]);
  await until('it follows the new session', () => live.length > 1);
  expect(out).toEqual([]);
  expect(await newClient({ storage }).start()).toBe(true);
});

it('A client that follows events hears what happens to the sessions of its account', async () => {
  const { client, credentials } = await signUp({ followEvents: true });
  const [live, events] = [listenTo(client, 'live'), listenTo(client, 'session')];
  await until('it follows', () => live.length > 0);
  const other = await t.api.signIn(credentials);
  await t.api.endSession(other.accessToken, other.session.id);
  await until('both have arrived', () => events.length === 2);
  expect(events).toMatchObject([
    { type: 'session.created', id: other.session.id },
    { type: 'session.revoked', id: other.session.id, reason: 'revoked_by_user' },
  ]);
});

it('A client goes on trying to start while the service does not answer, until it is closed', async () => {
  const { storage } = await signUp();
  const client = newClient({ storage, baseUrl: 'http://127.0.0.1:1' });
  const lost = listenTo(client, 'lost');
  const started = client.start();
  await until('it has tried', () => lost.length > 0);
  expect(lost[0]?.error).toBeInstanceOf(UnreachableError);
  client.close();
  expect(await started).toBe(false);
  expect(await storage.get()).not.toBeNull();
});

describe('The script of src/client/README.md', () => {
  const [, script = ''] = /```js\n(import [^]*?)```/.exec(readFileSync('src/client/README.md', 'utf8')) ?? [];
  let folder: string;

  /** Runs it as it is, where the package has it: in a folder of its own. */
  async function run(env: Record<string, string>): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, ['script.mjs'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], LATCHKEY_URL: t.api.url, ...env },
    });
    return stdout;
  }

  beforeAll(() => {
    // Below this package, which so finds itself by its name.
    mkdirSync('coverage', { recursive: true });
    folder = mkdtempSync('coverage/script-');
    writeFileSync(`${folder}/script.mjs`, script);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it('signs in once, and goes on with the token that it has kept for itself alone', async () => {
    const credentials = someone();
    await t.api.signUp(credentials);
    const env = { EMAIL: credentials.email, PASSWORD: credentials.password };
    expect(await run(env)).toMatch(/^A script \(this one\)\nnode\s*\n$/);
    expect(statSync(`${folder}/refresh-token`).mode & 0o777).toBe(0o600);
    // Without a password.
    expect(await run({})).toMatch(/^A script \(this one\)\n/);
  });
});
