import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { PROBLEM_CODE, ProblemDto } from '../../problems/problem.dto.js';
import { declaredProblems } from '../../problems/problem.js';
import { BEARER, DESCRIPTION, REFRESH_COOKIE, STAFF, TAGS } from './introduction.js';
import { completeOperation, type DocumentedAuthentication } from './operation.js';
import { namedTypes } from './named-type.js';
import { withPublicNames } from './public-names.js';
import { ProblemResponses } from './problem-responses.js';

const METHODS = ['get', 'post', 'patch', 'put', 'delete'] as const;

/**
 * The OpenAPI document of the service. The same whatever the settings are, but for the name of the cookie.
 * An operation's id is the name of its controller's method.
 */
export function openApiDocument(app: INestApplication, authentication: DocumentedAuthentication): OpenAPIObject {
  const document = SwaggerModule.createDocument(app, describe(authentication), {
    extraModels: [ProblemDto],
    operationIdFactory: (_controller, method) => method,
  });
  const problems = new ProblemResponses(authentication.headers);
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation) {
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
    ...problems.components,
    schemas: { ...document.components?.schemas, ...namedTypes(), [PROBLEM_CODE]: codes },
  };
  return withPublicNames(document);
}

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
    .addCookieAuth(refreshCookieName, { type: 'apiKey', in: 'cookie', description: REFRESH_COOKIE }, 'refreshCookie');
  for (const [name, description] of TAGS) {
    builder.addTag(name, description);
  }
  return builder.build();
}
