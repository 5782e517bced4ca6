import type { AddressInfo } from 'node:net';
import { Controller, Get, Module } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express from 'express';
import fastify from 'fastify';
import { type Caller, callerOf, type Verifier } from '../../src/verifier/index.js';
import { CurrentCaller, LatchkeyGuard, OptionalCaller, Public } from '../../src/verifier/nest.js';
import { Api } from './api.js';

/** A service of others, with `/mine` for callers and `/open` for anyone. */
export interface ProtectedService {
  readonly api: Api;
  close(): Promise<unknown>;
}

const url = (address: AddressInfo | string | null) => `http://127.0.0.1:${(address as AddressInfo).port}`;

export async function serveExpress(verifier: Verifier): Promise<ProtectedService> {
  const app = express();
  app.get('/open', (_request, response) => void response.json({ caller: null }));
  app.use(verifier.express());
  app.get('/mine', (request, response) => void response.json({ caller: callerOf(request) }));
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const close = async () => {
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
    await verifier.close();
  };
  return { api: new Api(url(server.address())), close };
}

export async function serveFastify(verifier: Verifier): Promise<ProtectedService> {
  const app = fastify({ forceCloseConnections: true });
  app.get('/open', () => ({ caller: null }));
  void app.register((part, _options, done) => {
    part.addHook('onRequest', verifier.fastify());
    part.get('/mine', (request) => ({ caller: callerOf(request) }));
    done();
  });
  app.addHook('onClose', () => verifier.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { api: new Api(url(app.server.address())), close: () => app.close() };
}

@Controller()
class MineController {
  @Get('mine')
  mine(@CurrentCaller() caller: Caller) {
    return { caller };
  }

  @Public()
  @Get('open')
  open(@OptionalCaller() caller: Caller | undefined) {
    return { caller: caller ?? null };
  }
}

async function serveNest(verifier: Verifier): Promise<ProtectedService> {
  @Module({
    controllers: [MineController],
    providers: [{ provide: APP_GUARD, useFactory: () => new LatchkeyGuard(verifier) }],
  })
  class MineModule {}

  const app = await NestFactory.create(MineModule, new FastifyAdapter({ forceCloseConnections: true }), {
    logger: false,
  });
  await app.listen(0, '127.0.0.1');
  return { api: new Api(url(app.getHttpServer().address())), close: () => app.close() };
}

export const FRAMEWORKS = { Express: serveExpress, Fastify: serveFastify, Nest: serveNest } as const;
