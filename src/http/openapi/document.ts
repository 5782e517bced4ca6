import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { PROBLEM_CODE, ProblemDto } from '../../problems/problem.dto.js';
import { declaredProblems } from '../../problems/problem.js';
import { completeOperation, type DocumentedAuthentication } from './operation.js';
import { ProblemResponses } from './problem-responses.js';

const METHODS = ['get', 'post', 'patch', 'put', 'delete'] as const;

const DESCRIPTION = `Sessions that end when you end them.

A person signs in from many devices, sees them, and logs out this one, another one, or all. From the moment of the
answer every token of an ended session is refused, access tokens included.

**Try it here.** Register or log in, press *Authorize*, paste the \`accessToken\`, and call the rest. The refresh token
travels as an HttpOnly cookie that your browser keeps and sends by itself; there is nothing to paste.

**Errors** are \`application/problem+json\` (RFC 9457), each with a stable \`code\`. Besides those of each route, any
request may be refused as not HTTP (400 \`bad_request\`), too slow (408), at no address (404 \`not_found\`), with a
method the address does not take (405 \`method_not_allowed\`, with \`Allow\`), or as too long (414, 431). Behind a proxy that
received it over plain http it is refused with 403 \`https_required\`.

**Every answer** carries \`X-Request-Id\`; send one of \`[A-Za-z0-9._-]{1,64}\` and it is kept.`;

/**
 * The OpenAPI document of the service. The same whatever the settings are, so that it can be checked in.
 * An operation's id is the name of its controller's method.
 */
export function openApiDocument(app: INestApplication, authentication: DocumentedAuthentication): OpenAPIObject {
  const document = SwaggerModule.createDocument(app, describe(authentication), {
    extraModels: [ProblemDto],
    operationIdFactory: (_controller, method) => method,
  });
  const problems = new ProblemResponses();
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation) {
        completeOperation(operation, { isRead: method === 'get', problems, authentication });
      }
    }
  }
  const codes = { type: 'string', enum: declaredProblems().map(({ code }) => code) };
  document.components = {
    ...document.components,
    ...problems.components,
    schemas: { ...document.components?.schemas, [PROBLEM_CODE]: codes },
  };
  return document;
}

function describe({ refreshCookieName }: DocumentedAuthentication): Omit<OpenAPIObject, 'paths'> {
  return new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Latchkey')
    .setDescription(DESCRIPTION)
    .setVersion('0.1.0')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addServer('/', 'This server')
    .addTag('auth', 'Who are you?')
    .addTag('sessions', 'Which devices are signed in?')
    .addTag('admin', 'What staff may do')
    .addTag('health', 'Is the service well?')
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The accessToken of a login.' },
      'bearer',
    )
    .addCookieAuth(
      refreshCookieName,
      {
        type: 'apiKey',
        in: 'cookie',
        description:
          'The refresh token. Login, register and refresh set it as an HttpOnly cookie and the browser sends it by ' +
          'itself: log in on this page, then try it, with nothing to type here. Over plain http it is called refresh_token.',
      },
      'refreshCookie',
    )
    .build();
}
