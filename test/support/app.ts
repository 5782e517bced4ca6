import type { AddressInfo } from 'node:net';
import type { Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { AppModule } from '../../src/app.module.js';
import { NEST_OPTIONS, setUpApp } from '../../src/app.js';
import { createAdapter } from '../../src/http/adapter.js';
import { loggerOptions, NestLogger } from '../../src/process/logger.js';
import { loadConfig } from '../../src/config/load-config.js';
import { Api } from './api.js';
import { ledger } from './ledger.js';
import { expectInvariants, type InvariantOptions } from './invariants.js';
import { createDatabase, type TestDatabase } from './database.js';
import { SECRETS } from './secrets.js';

export interface TestApp {
  api: Api;
  database: TestDatabase;
  app: NestFastifyApplication;
  /** Everything it has logged so far. */
  readonly output: () => string;
}

/** What an application built on the service adds to it. */
interface Host {
  readonly modules?: readonly Type[];
  readonly prepare?: (app: NestFastifyApplication) => void;
}

/**
 * The whole service in this process, listening on a port of its own, on a database of its own.
 */
export function useApp(
  environment: Record<string, string> = {},
  options: InvariantOptions = {},
  { modules = [], prepare }: Host = {},
): TestApp {
  let log = '';
  const t = { output: () => log } as TestApp;
  ledger.outputs.push(t.output);

  beforeAll(async () => {
    t.database = await createDatabase();
    const config = loadConfig({ ...SECRETS, DATABASE_URL: t.database.url, RATE_LIMIT: 'off', ...environment });
    const logger = pino(loggerOptions('info'), { write: (line) => (log += line) });
    const testing = await Test.createTestingModule({ imports: [AppModule.forRoot(config), ...modules] })
      .setLogger(new NestLogger(logger))
      .compile();
    t.app = testing.createNestApplication<NestFastifyApplication>(createAdapter(config, logger), NEST_OPTIONS);
    prepare?.(t.app);
    await setUpApp(t.app, config);
    await t.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = t.app.getHttpServer().address() as AddressInfo;
    t.api = new Api(`http://127.0.0.1:${port}`);
  });

  afterAll(async () => {
    try {
      await expectInvariants(t.database, { api: t.api, ...options });
    } finally {
      await t.app?.close();
    }
    await t.database.drop();
  });

  return t;
}
