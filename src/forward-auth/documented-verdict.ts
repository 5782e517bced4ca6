import { applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiCookieAuth, ApiFoundResponse, ApiOkResponse, ApiOperation, ApiQuery } from '@nestjs/swagger';
import { ForbiddenError } from '../auth/auth.errors.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { ACRS } from './demands.js';
import { InsufficientVisitError, RefusedParameterError } from './forward-auth.errors.js';

const header = (description: string, example: string) => ({
  description,
  required: true,
  schema: { type: 'string', example },
});

const HEADERS = {
  'X-Latchkey-User': header('The id of the account.', '0b7c6f0e-5d0a-4c3e-9d5c-2f6d3f1d8a11'),
  'X-Latchkey-Email': header(
    'Its address, percent-encoded beyond printable ASCII. It need not be confirmed.',
    'ada@example.com',
  ),
  'X-Latchkey-Session': header('The id of the session.', '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61'),
  'X-Latchkey-Role': header('The role of the account, as it is now.', 'user'),
  'X-Latchkey-Auth-Time': header('When the password was given, in seconds since 1970.', '1795860000'),
  'X-Latchkey-Acr': header('How the session was proved. Empty where nothing is recorded.', ''),
  'X-Latchkey-Assertion': header(
    'A JWT of 60 seconds by which the upstream can verify the answer itself. Empty without `audience`, and under HS256.',
    'eyJhbGciOiJFUzI1NiIsInR5cCI6ImxhdGNoa2V5LWFzc2VydGlvbitqd3QifQ…',
  ),
};

/** What the OpenAPI document says of `/verify`. */
export const ApiVerdict = () =>
  applyDecorators(
    ApiBearerAuth('bearer'),
    ApiCookieAuth('visitCookie'),
    ApiOperation({
      operationId: 'verify',
      summary: 'May this request pass?',
      description:
        'For reverse proxies: nginx `auth_request`, `forward_auth` of Caddy and Traefik, `ext_authz` of Envoy. Any method, and ' +
        'any path below `/verify`. It reads the access token or, where none is sent, the visit cookie. Bodies are not read, ' +
        'and no header that says what the original request was decides anything.',
    }),
    ApiQuery({
      name: 'role',
      required: false,
      schema: { $ref: '#/components/schemas/Role' },
      description: 'The role that the account must have at least.',
    }),
    ApiQuery({
      name: 'acr',
      required: false,
      enum: ACRS,
      description: 'How the session must have been proved at least.',
    }),
    ApiQuery({
      name: 'max_age',
      required: false,
      schema: { type: 'integer', minimum: 0, maximum: 999_999_999 },
      description: 'How many seconds ago the password may have been given.',
    }),
    ApiQuery({
      name: 'audience',
      required: false,
      schema: { type: 'string', maxLength: 200 },
      description: 'Who the assertion is for: its `aud`.',
    }),
    ApiQuery({
      name: 'sign_in',
      required: false,
      schema: { type: 'string', format: 'uri' },
      description:
        'Where people sign in, on the origin of PUBLIC_URL or one of RETURN_TO_ORIGINS. A browser that asks for a page is ' +
        'sent there instead of 401.',
    }),
    ApiOkResponse({ description: 'It may. Each header is always there.', headers: HEADERS }),
    ApiFoundResponse({
      description: 'With `sign_in`: instead of 401, for a browser that asks for a page.',
      headers: {
        Location: {
          description: 'The page of `sign_in`, with `return_to` where the address is forwarded and allowed.',
          schema: { type: 'string' },
        },
      },
    }),
    ApiProblems(ForbiddenError, InsufficientVisitError, RefusedParameterError),
  );
