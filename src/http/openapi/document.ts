import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { PROBLEM_CODE } from '../../problems/problem.dto.js';
import { declaredProblems } from '../../problems/problem.js';
import { problemShapeAt, problemShapes } from '../../problems/problem-shape.js';
import { documentOnce } from '../asked-by-proxy.js';
import { BEARER, DESCRIPTION, REFRESH_COOKIE, SERVICE_CLIENT, STAFF, TAGS, VISIT_COOKIE } from './introduction.js';
import { completeOperation, type DocumentedAuthentication } from './operation.js';
import { namedTypes } from './named-type.js';
import { withPublicNames } from './public-names.js';
import { documentedHeaders, ProblemResponses } from './problem-responses.js';

const METHODS = ['get', 'post', 'patch', 'put', 'delete'] as const;

/**
 * The OpenAPI document of the service. The same whatever the settings are, but for the name of the cookie.
 * An operation's id is the name of its controller's method.
 */
export function openApiDocument(app: INestApplication, authentication: DocumentedAuthentication): OpenAPIObject {
  const document = SwaggerModule.createDocument(app, describe(authentication), {
    extraModels: problemShapes().map(({ Dto }) => Dto),
    operationIdFactory: (_controller, method) => method,
  });
  const responsesOf = new Map(problemShapes().map((shape) => [shape, new ProblemResponses(shape)]));
  for (const [url, path] of Object.entries(document.paths)) {
    const problems = responsesOf.get(problemShapeAt(url));
    documentOnce(path);
    for (const method of METHODS) {
      const operation = path[method];
      if (operation && problems) {
        completeOperation(operation, { isRead: method === 'get', problems, authentication });
      }
    }
  }
  const codes = {
    type: 'string',
    enum: declaredProblems().map(({ code }) => code),
    description: 'What went wrong, for programs. A code never changes its meaning.',
  };
  document.components = {
    ...document.components,
    responses: merged([...responsesOf.values()].map(({ components }) => components.responses)),
    examples: merged([...responsesOf.values()].map(({ components }) => components.examples)),
    headers: documentedHeaders(authentication.headers),
    schemas: { ...document.components?.schemas, ...namedTypes(), [PROBLEM_CODE]: codes },
  };
  return withPublicNames(document);
}

const merged = <Part>(parts: readonly Readonly<Record<string, Part>>[]): Record<string, Part> =>
  Object.fromEntries(parts.flatMap((part) => Object.entries(part)));

function describe({ refreshCookieName }: DocumentedAuthentication): Omit<OpenAPIObject, 'paths'> {
  const bearer = { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } as const;
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Latchkey')
    .setDescription(DESCRIPTION)
    .setVersion('0.1.0')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addServer('/', 'This server')
    .addBearerAuth({ ...bearer, description: BEARER }, 'bearer')
    .addBearerAuth({ ...bearer, description: STAFF }, 'staff')
    .addSecurity('serviceClient', { type: 'http', scheme: 'basic', description: SERVICE_CLIENT })
    .addCookieAuth(refreshCookieName, { type: 'apiKey', in: 'cookie', description: REFRESH_COOKIE }, 'refreshCookie')
    .addCookieAuth('__Host-visit', { type: 'apiKey', in: 'cookie', description: VISIT_COOKIE }, 'visitCookie');
  for (const [name, description] of TAGS) {
    builder.addTag(name, description);
  }
  return builder.build();
}
