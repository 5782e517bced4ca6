import 'reflect-metadata';
import { writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { pino } from 'pino';
import { AppModule } from '../app.module.js';
import { documentedAuthentication } from '../auth/documented-authentication.js';
import { AppConfig } from '../config/config.js';
import { createAdapter } from '../http/adapter.js';
import { openApiDocument } from '../http/openapi/document.js';

// Preview: modules are looked at and not built, so no database is needed.
const config = new AppConfig();
const adapter = createAdapter(config, pino({ level: 'silent' }));
const app = await NestFactory.create(AppModule.forRoot(config), adapter, { preview: true, logger: false });

writeFileSync(
  process.argv[2] ?? 'openapi.json',
  `${JSON.stringify(openApiDocument(app, documentedAuthentication(true)), null, 2)}\n`,
);
