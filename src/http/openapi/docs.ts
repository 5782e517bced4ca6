import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import type { FastifyInstance } from 'fastify';
import { openApiDocument } from './document.js';
import type { DocumentedAuthentication } from './operation.js';

const DOCS = /^\/docs(\/|$)/;
// Swagger UI styles its elements inline; everything else comes from its own files.
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
const WITHOUT_CHARSET: ReadonlySet<unknown> = new Set(['text/html', 'text/yaml', 'application/javascript']);

/** Swagger UI at `/docs`, and the OpenAPI document at `/docs-json`. */
export function serveDocs(app: NestFastifyApplication, authentication: DocumentedAuthentication): void {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (request, reply, done) => {
    if (DOCS.test(request.routeOptions.url ?? '')) {
      reply.header('Content-Security-Policy', CSP);
    }
    done();
  });
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    const type = reply.getHeader('Content-Type');
    if (WITHOUT_CHARSET.has(type)) {
      // Swagger UI's own answers leave it to the browser to guess (HDR-02).
      reply.type(`${String(type)}; charset=utf-8`);
    }
    done();
  });
  SwaggerModule.setup('docs', app, () => openApiDocument(app, authentication), {
    customSiteTitle: 'Latchkey',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true, withCredentials: true },
  });
}
