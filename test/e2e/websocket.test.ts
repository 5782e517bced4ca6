import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Module } from '@nestjs/common';
import { type OnGatewayConnection, WebSocketGateway } from '@nestjs/websockets';
import { WsAdapter } from '@nestjs/platform-ws';
import { Client } from 'pg';
import { WebSocket } from 'ws';
import { AccessTokens } from '../../src/auth/access-tokens.js';
import { JwtStrategy } from '../../src/auth/jwt.strategy.js';
import { AuthModule } from '../../src/auth/auth.module.js';
import { SigningKeys } from '../../src/keys/signing-keys.js';
import { SessionChecker } from '../../src/sessions/check/session-checker.js';
import { SessionWatcher } from '../../src/session-events/session-watcher.js';
import { SessionEventsModule } from '../../src/session-events/session-events.module.js';
import { SessionsModule } from '../../src/sessions/sessions.module.js';
import { useApp } from '../support/app.js';
import { type Instance, startInstance } from '../support/instance.js';
import { rotateKeys } from '../support/keys.js';
import { until } from '../support/until.js';

// An application built on the service, with sockets of its own.

const UNAUTHORIZED = 4401;

@WebSocketGateway({ path: '/live' })
class LiveGateway implements OnGatewayConnection {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly checker: SessionChecker,
    private readonly watcher: SessionWatcher,
  ) {}

  async handleConnection(socket: WebSocket, { headers }: IncomingMessage): Promise<void> {
    try {
      const token = headers.authorization?.replace('Bearer ', '') ?? '';
      const caller = await this.checker.require(await this.tokens.verify(token));
      const { signal, release } = this.watcher.watch(caller);
      signal.addEventListener('abort', () => socket.close(UNAUTHORIZED, signal.reason.reason));
      socket.on('close', release);
      // Left while the session was checked: that is not said again.
      if (socket.readyState === WebSocket.CLOSED) release();
      socket.send('welcome');
    } catch {
      socket.close(UNAUTHORIZED, 'invalid_token');
    }
  }
}

@Module({ imports: [AuthModule, SessionEventsModule, SessionsModule], providers: [LiveGateway] })
class LiveModule {}

const t = useApp(
  {},
  { hasMissingRows: true },
  { modules: [LiveModule], prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)) },
);
let elsewhere: Instance;

beforeAll(async () => {
  elsewhere = await startInstance({ env: { DATABASE_URL: t.database.url } });
}, 60_000);

afterAll(() => elsewhere?.kill('SIGTERM'));

/** A socket, and how the server closed it. */
async function openSocket(accessToken: string) {
  const socket = new WebSocket(`${t.api.url.replace('http', 'ws')}/live`, {
    headers: { authorization: `Bearer ${accessToken}` },
  });
  const closed = once(socket, 'close').then(([code, reason]) => [code, String(reason)]);
  await Promise.race([once(socket, 'message'), closed]);
  return { socket, closed };
}

it('Sockets of an application close as their session ends, on this instance or another', async () => {
  for (const api of [t.api, elsewhere.api]) {
    const account = await api.signUp();
    const other = await t.api.signIn(account.credentials);
    const sockets = await Promise.all([1, 2, 3].map(() => openSocket(account.accessToken)));
    const stays = await openSocket(other.accessToken);

    await api.endSession(other.accessToken, account.session.id);
    for (const { closed } of sockets) {
      expect(await closed).toEqual([UNAUTHORIZED, 'revoked_by_user']);
    }
    expect(stays.socket.readyState).toBe(WebSocket.OPEN);
    await api.logout(other.refreshToken);
    expect(await stays.closed).toEqual([UNAUTHORIZED, 'logout']);
  }
});

it('Sockets of an application close as the key of their token is revoked, and sockets with a token of the next key stay open', async () => {
  const { accessToken, refreshToken } = await t.api.signUp();
  const sockets = [await openSocket(accessToken), await openSocket(accessToken)];
  expect((await rotateKeys(t.database.url, { args: ['--leaked'] })).code).toBe(0);
  const next = await openSocket((await t.api.refresh(refreshToken)).body.accessToken);
  for (const { closed } of sockets) expect(await closed).toEqual([UNAUTHORIZED, 'key_revoked']);

  // That one was opened before this, and its session, which all share, goes on.
  const closed = jest.fn();
  next.socket.on('close', closed);
  next.socket.ping();
  await once(next.socket, 'pong');
  expect(closed).not.toHaveBeenCalled();
  next.socket.close();
}, 30_000);

it('A socket is closed if the key of its token was revoked while its session was checked', async () => {
  const { accessToken } = await t.api.signUp();
  const caller = await t.app.get(SessionChecker).require(await t.app.get(AccessTokens).verify(accessToken));
  const keys = t.app.get(SigningKeys);
  expect((await rotateKeys(t.database.url, { args: ['--leaked'] })).code).toBe(0);
  await until('this instance knows', () => !keys.isKnown(caller.keyId));
  const { signal, release } = t.app.get(SessionWatcher).watch(caller);
  const [event] = await once(signal, 'abort');
  release();
  expect(event.target.reason).toEqual({ reason: 'key_revoked' });
}, 30_000);

it('A socket is closed if its session ends while it opens, and refused with an ended session or a forged token', async () => {
  const { accessToken, session } = await t.api.signUp();
  const [opening] = await Promise.all([openSocket(accessToken), elsewhere.api.endSession(accessToken, session.id)]);
  expect((await opening.closed)[0]).toBe(UNAUTHORIZED);
  for (const token of [accessToken, 'forged', '']) {
    expect(await (await openSocket(token)).closed).toEqual([UNAUTHORIZED, 'invalid_token']);
  }
});

it('The signature of an access token is verified once for requests and sockets together', async () => {
  const { accessToken } = await t.api.signUp();
  const verified = (): boolean => t.app.get(AccessTokens).verified(accessToken) !== null;
  expect(verified()).toBe(false);
  expect((await t.api.me(accessToken)).status).toBe(200);
  expect(verified()).toBe(true);

  const other = (await t.api.signUp()).accessToken;
  await t.app.get(AccessTokens).verify(other);
  const byPassport = jest.spyOn(JwtStrategy.prototype, 'validate');
  expect((await t.api.me(other)).status).toBe(200);
  expect(byPassport).not.toHaveBeenCalled();
  byPassport.mockRestore();
});

it('No session stays watched for a socket that left while the session was checked', async () => {
  const { accessToken } = await t.api.signUp();
  const caller = await t.app.get(SessionChecker).require(await t.app.get(AccessTokens).verify(accessToken));
  const watchOnce = () => {
    const { signal, release } = t.app.get(SessionWatcher).watch(caller);
    release();
    return signal;
  };
  const holder = new Client({ connectionString: t.database.adminUrl });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE sessions');
  const sockets = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const socket = new WebSocket(`${t.api.url.replace('http', 'ws')}/live`, {
        headers: { authorization: `Bearer ${accessToken}` },
      });
      await once(socket, 'open');
      return socket;
    }),
  );
  sockets.forEach((socket) => socket.terminate());
  // Whoever is answered later than they left knows that they were seen to leave.
  await t.api.call('GET', '/health/live');
  await holder.query('COMMIT');
  await holder.end();
  await t.api.me(accessToken);
  // One signal for all who hold a session, and another for each who is alone.
  await until('nobody holds the session', () => watchOnce() !== watchOnce());
});

it('A session is watched until its last holder releases it', async () => {
  const watcher = t.app.get(SessionWatcher);
  const caller = await t.app
    .get(SessionChecker)
    .require(await t.app.get(AccessTokens).verify((await t.api.signUp()).accessToken));
  const [one, two] = [watcher.watch(caller), watcher.watch(caller)];
  expect(one.signal).toBe(two.signal);
  one.release();
  one.release();
  const three = watcher.watch(caller);
  expect(three.signal).toBe(two.signal);
  two.release();
  three.release();
  const again = watcher.watch(caller);
  expect(again.signal).not.toBe(one.signal);

  await t.database.query(`DELETE FROM users WHERE id = $1`, [caller.userId]);
  // Nothing tells of this; asking does.
  watcher.watch(caller);
  await until('the watch has seen that the account is gone', () => again.signal.aborted);
  expect(again.signal.reason).toMatchObject({ reason: 'account_deleted' });
  expect(one.signal.aborted).toBe(false);
});
