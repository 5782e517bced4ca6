import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { FastifyInstance, FastifyReply, RouteShorthandOptions } from 'fastify';
import { openApiDocument } from './document.js';
import type { DocumentedAuthentication } from './operation.js';

const PUBLIC = fileURLToPath(new URL('public', import.meta.url));
const require = createRequire(import.meta.url);
const SWAGGER_UI = dirname(require.resolve('swagger-ui-dist/package.json'));
// What is served, and no other file of these folders.
const FILES: readonly (readonly [folder: string, names: readonly string[]])[] = [
  [SWAGGER_UI, ['swagger-ui.css', 'swagger-ui-bundle.js']],
  [
    PUBLIC,
    ['docs.css', 'colours.css', 'route.css', 'docs.mjs'].concat(
      [
        'accessibility',
        'answers',
        'document',
        'authorization',
        'clients',
        'ids',
        'refusals',
        'run',
        'stream',
        'store',
        'tokens',
      ].map((name) => `${name}.mjs`),
    ),
  ],
];
const INDEX = readFileSync(new URL('public/index.html', import.meta.url), 'utf8');
// Other pages of the service that are of use to a reader, where they exist.
const LINKS = [
  { url: '/', text: 'Your devices' },
  { url: '/dev/mails', text: 'Mails' },
] as const;

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/** Swagger UI at `/docs`, and the OpenAPI document at `/docs-json` and `/docs-yaml`, under the name of the service. */
export function serveDocs(app: NestFastifyApplication, authentication: DocumentedAuthentication, name: string): void {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  const named = (document: OpenAPIObject) => ({ ...document, info: { ...document.info, title: name } });
  SwaggerModule.setup('docs', app, () => named(openApiDocument(app, authentication)), { ui: false });
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (reply.getHeader('Content-Type') === 'text/yaml') {
      // Left to the browser to guess otherwise (HDR-02).
      reply.type('text/yaml; charset=utf-8');
    }
    done();
  });
  for (const url of ['/docs', '/docs/']) {
    fastify.get(url, (_request, reply) => sendPage(fastify, reply));
  }
  serveFiles(fastify);
}

// A route for each file: no path that a client sends is looked for, so that an odd one is any unknown address. Nor are
// ranges of a file answered, which the plugin would refuse in its own words.
function serveFiles(fastify: FastifyInstance): void {
  void fastify.register(fastifyStatic, { serve: false, acceptRanges: false });
  // Nest sets its handler later than this, and Fastify would give these routes the one of now.
  const errorHandler: RouteShorthandOptions['errorHandler'] = (error, request, reply) =>
    fastify.errorHandler(error, request, reply);
  for (const [folder, names] of FILES) {
    for (const name of names) {
      fastify.get(`/docs/${name}`, { errorHandler }, (_request, reply) => reply.sendFile(name, folder));
    }
  }
}

function sendPage(fastify: FastifyInstance, reply: FastifyReply): FastifyReply {
  const links = LINKS.filter(({ url }) => fastify.hasRoute({ url, method: 'GET' }));
  const html = links.map(({ url, text }) => `<a href="${url}">${text}</a>`).join('\n');
  return reply
    .header('Content-Security-Policy', CSP)
    .type('text/html; charset=utf-8')
    .send(INDEX.replace('{{links}}', html));
}
