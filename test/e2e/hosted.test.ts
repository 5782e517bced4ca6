import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Controller, Get, Injectable, Module, type Type, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  AccessTokens,
  type Caller,
  CurrentCaller,
  JwtAuthGuard,
  LatchkeyModule,
  type LatchkeySettings,
  Public,
  Roles,
  SessionChecker,
  SessionsService,
  SessionWatcher,
} from '../../src/latchkey.js';
import { Api } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { expectInvariants } from '../support/invariants.js';
import { raw } from '../support/raw.js';
import { SECRETS } from '../support/secrets.js';

@Controller('orders')
class OrdersController {
  constructor(private readonly sessions: SessionsService) {}

  @Get()
  async list(@CurrentCaller() caller: Caller) {
    return { userId: caller.userId, devices: (await this.sessions.list(caller, { limit: 5 })).sessions.length };
  }

  @Get('prices')
  @Public()
  prices() {
    return [];
  }

  @Get('twice')
  @UseGuards(JwtAuthGuard)
  twice() {
    return [];
  }

  @Get('all')
  @Roles('admin')
  all() {
    return [];
  }

  @Get('own')
  @Roles('user')
  own() {
    return [];
  }
}

@Controller('sessions')
class HiddenController {
  @Get(':session')
  find() {
    return [];
  }
}

/** Where an application has its settings. */
@Injectable()
class ApplicationSettings {
  latchkey(): LatchkeySettings {
    return {
      environment: 'test',
      databaseUrl: 'postgres://set.below',
      databaseSchema: 'auth',
      jwtSecrets: [SECRETS.JWT_SECRET],
      refreshTokenSecrets: [SECRETS.REFRESH_TOKEN_SECRET],
      hasRateLimits: false,
    };
  }
}

@Module({ providers: [ApplicationSettings], exports: [ApplicationSettings] })
class SettingsModule {}

/** An application that has Latchkey in it, as a test of it makes one. */
async function createHost(controller: Type, { url: databaseUrl } = database): Promise<NestFastifyApplication> {
  const latchkey = LatchkeyModule.forRootAsync({
    imports: [SettingsModule],
    inject: [ApplicationSettings],
    useFactory: (settings: ApplicationSettings) => ({ ...settings.latchkey(), databaseUrl }),
  });
  applications++;
  const testing = await Test.createTestingModule({
    imports: [latchkey],
    controllers: [controller],
    providers: [{ provide: APP_GUARD, useExisting: JwtAuthGuard }],
  }).compile();
  return testing.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
}

async function listen(application: NestFastifyApplication): Promise<Api> {
  await application.listen({ port: 0, host: '127.0.0.1' });
  const { port } = application.getHttpServer().address() as AddressInfo;
  return new Api(`http://127.0.0.1:${port}`);
}

let database: TestDatabase;
let app: NestFastifyApplication;
let api: Api;
let applications = 0;
const started = jest.spyOn(SessionWatcher.prototype, 'onApplicationBootstrap');
const stopped = jest.spyOn(SessionWatcher.prototype, 'onApplicationShutdown');

beforeAll(async () => {
  database = await createDatabase({ isEmpty: true });
  app = await createHost(OrdersController);
  app.setGlobalPrefix('shop');
  api = await listen(app);
});

afterAll(async () => {
  await app.close();
  // Once for each application.
  expect([started.mock.calls.length, stopped.mock.calls.length]).toEqual([applications, applications]);
  await expectInvariants({ query: (text, values) => inSchema(text, values) }, { hasMissingRows: true });
  await database.drop();
});

const inSchema: TestDatabase['query'] = async (text, values) => {
  await database.query('SET search_path = auth');
  return database.query(text, values);
};

it('With the guard on all routes of an application, those that are not public need an open session', async () => {
  const { accessToken: bearer, user, session } = await api.signUp();
  expect((await api.call('GET', '/shop/orders', { bearer })).body).toEqual({ userId: user.id, devices: 1 });
  expect((await api.call('GET', '/shop/orders/prices')).status).toBe(200);
  expect((await api.call('GET', '/shop/orders')).status).toBe(401);
  expect((await api.endSession(bearer, session.id)).status).toBe(204);
  expect((await api.call('GET', '/shop/orders', { bearer })).status).toBe(401);
});

it('A route with the guard twice asks once whether the session is open', async () => {
  const { accessToken: bearer } = await api.signUp();
  const asked = jest.spyOn(SessionChecker.prototype, 'require');
  expect((await api.call('GET', '/shop/orders/twice', { bearer })).status).toBe(200);
  expect(asked).toHaveBeenCalledTimes(1);
  expect((await api.call('GET', '/shop/orders/all', { bearer })).status).toBe(403);
  asked.mockRestore();
});

it('Latchkey keeps its addresses where an application has a prefix for its own', async () => {
  expect((await api.call('GET', '/.well-known/jwks.json')).status).toBe(200);
  expect((await api.call('GET', '/shop/auth/me')).body).toHaveProperty('statusCode', 404);
});

it('A socket of an application is closed as its session ends', async () => {
  const { accessToken, session } = await api.signUp();
  const caller = await app.get(SessionChecker).require(await app.get(AccessTokens).verify(accessToken));
  const { signal, release } = app.get(SessionWatcher).watch(caller);
  const aborted = once(signal, 'abort');
  await api.endSession(accessToken, session.id);
  await aborted;
  expect(signal.reason).toMatchObject({ reason: 'revoked_by_user' });
  release();
});

it('A public handler that passes a request on, as one of Express can, opens no other handler for it', async () => {
  const guard = app.get(JwtAuthGuard);
  const response = { header: () => response };
  const { accessToken } = await api.signUp();
  const pass = (request: object, handler: 'prices' | 'list' | 'all') =>
    guard.canActivate(
      new ExecutionContextHost([request, response], OrdersController, OrdersController.prototype[handler]),
    );

  const request = { headers: {}, rawHeaders: [] };
  expect(await pass(request, 'prices')).toBe(true);
  await expect(pass(request, 'list')).rejects.toMatchObject({ status: 401 });
  await expect(pass(request, 'all')).rejects.toMatchObject({ status: 401 });

  // Accepted once, it is verified anew for the next handler.
  const authorization = `Bearer ${accessToken}`;
  const accepted = {
    id: '1',
    ip: '127.0.0.1',
    headers: { authorization },
    rawHeaders: ['Authorization', authorization],
  };
  expect(await pass(accepted, 'list')).toBe(true);
  await api.call('POST', '/auth/logout', { bearer: accessToken });
  await expect(pass(accepted, 'list')).rejects.toMatchObject({ status: 401 });
});

it('Two Authorization headers are refused on the routes of an application as on those of Latchkey, whichever is first', async () => {
  const { accessToken } = await api.signUp();
  const [good, bad] = [`Authorization: Bearer ${accessToken}\r\n`, 'authorization: Bearer x\r\n'];
  const ask = (path: string, lines: string) =>
    raw(api.url, `GET ${path} HTTP/1.1\r\nHost: x\r\n${lines}Connection: close\r\n\r\n`);
  for (const path of ['/shop/orders', '/shop/orders/own', '/auth/me']) {
    expect(await ask(path, good)).toMatch(/^HTTP\/1\.1 200 /);
    for (const lines of [good + bad, bad + good, good + good]) {
      expect([path, lines, await ask(path, lines)]).toEqual([path, lines, expect.stringMatching(/^HTTP\/1\.1 400 /)]);
    }
  }
  // The shape is the application's, with the code of Latchkey.
  expect(await ask('/shop/orders', good + bad)).toMatch(/"statusCode":400,.*"code":"bad_request"/);
  // Whoever asks is nothing to a public route.
  expect(await ask('/shop/orders/prices', good + bad)).toMatch(/^HTTP\/1\.1 200 /);
});

it('A role opens what a lesser role does', async () => {
  const { accessToken: bearer, user } = await api.signUp();
  const statuses = async () => [
    (await api.call('GET', '/shop/orders/own', { bearer })).status,
    (await api.call('GET', '/shop/orders/all', { bearer })).status,
  ];
  expect(await statuses()).toEqual([200, 403]);
  await inSchema(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
  expect(await statuses()).toEqual([200, 200]);
});

it('Two applications in one process each ask their own Latchkey, and one goes on as the other closes', async () => {
  const otherDatabase = await createDatabase({ isEmpty: true });
  const other = await createHost(OrdersController, otherDatabase);
  const otherApi = await listen(other);
  const [ours, theirs] = [await api.signUp(), await otherApi.signUp()];
  const statuses = (path: string, asked: Api) =>
    Promise.all([ours, theirs].map(async (who) => (await asked.call('GET', path, { bearer: who.accessToken })).status));

  expect(await statuses('/shop/orders', api)).toEqual([200, 401]);
  expect(await statuses('/auth/me', api)).toEqual([200, 401]);
  expect(await statuses('/orders', otherApi)).toEqual([401, 200]);
  expect(await statuses('/auth/me', otherApi)).toEqual([401, 200]);

  await other.close();
  expect(await statuses('/shop/orders', api)).toEqual([200, 401]);
  await otherDatabase.drop();
});

it('An application with a route that would never be reached is refused at start, with the address', async () => {
  const second = await createHost(HiddenController);
  await expect(second.init()).rejects.toThrow('both have: /sessions/:session. Leave addresses to the application');
  await second.close();
});
