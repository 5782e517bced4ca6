import { STATUS_CODES } from 'node:http';
import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { PROBLEMS, type ProblemCode } from './problem.js';

const EXAMPLE_REQUEST_ID = '0b9f0a52-7d0c-4a3e-9d52-1f2f6c0e8a11';

export class FieldErrorDto {
  @ApiProperty({ example: 'email' })
  readonly field!: string;

  @ApiProperty({ example: 'email must be an email address' })
  readonly message!: string;
}

/** The shape of every error (RFC 9457). */
export class ProblemDto {
  @ApiProperty({ example: 'about:blank' })
  readonly type!: string;

  @ApiProperty({ example: 'Unauthorized', description: "The status in the standard's words." })
  readonly title!: string;

  @ApiProperty({ type: 'integer', example: 401 })
  readonly status!: number;

  @ApiProperty({ example: 'This session was ended. Log in again.', description: 'For people; may change.' })
  readonly detail!: string;

  @ApiProperty({
    enum: Object.keys(PROBLEMS),
    enumName: 'ProblemCode',
    example: 'session_revoked',
    description: 'For programs; stable.',
  })
  readonly code!: string;

  @ApiProperty({ example: EXAMPLE_REQUEST_ID, description: 'The X-Request-Id of this answer.' })
  readonly requestId!: string;

  @ApiProperty({ type: [FieldErrorDto], required: false, description: 'On validation_failed only.' })
  readonly errors?: FieldErrorDto[];
}

interface ProblemAt {
  readonly code: ProblemCode;
  readonly status: number;
}

/** What each answer carries besides its body, as the OpenAPI document tells it. */
export const COMMON_HEADERS = {
  'X-Request-Id': {
    description: 'The id of this request in our logs; your own, if you sent one.',
    schema: { type: 'string', example: EXAMPLE_REQUEST_ID },
  },
} as const;

const HEADERS_OF_STATUS: Readonly<Record<number, Record<string, { description: string; schema: object }>>> = {
  401: {
    'WWW-Authenticate': { description: 'RFC 6750.', schema: { type: 'string', example: 'Bearer realm="latchkey"' } },
  },
  405: { Allow: { description: 'The methods of this address.', schema: { type: 'string', example: 'GET, HEAD' } } },
  429: { 'Retry-After': { description: 'Seconds.', schema: { type: 'string', example: '8' } } },
  503: { 'Retry-After': { description: 'Seconds.', schema: { type: 'string', example: '1' } } },
};

/** Documents the errors of a route, each with its example. A code may stand with another status than its own. */
export function ApiProblems(...problems: readonly (ProblemCode | ProblemAt)[]): MethodDecorator {
  const all = problems.map((problem) =>
    typeof problem === 'string' ? { code: problem, status: PROBLEMS[problem].status } : problem,
  );
  const statuses = [...new Set(all.map(({ status }) => status))];
  return applyDecorators(
    ...statuses.map((status) => {
      const codes = all.filter((problem) => problem.status === status).map(({ code }) => code);
      return ApiResponse({
        status,
        description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].detail}`).join('\n\n'),
        headers: { ...COMMON_HEADERS, ...HEADERS_OF_STATUS[status] },
        content: {
          'application/problem+json': {
            schema: { $ref: getSchemaPath(ProblemDto) },
            examples: Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code, status) }])),
          },
        },
      });
    }),
  );
}

function exampleOf(code: ProblemCode, status: number): ProblemDto {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? '',
    status,
    detail: PROBLEMS[code].detail,
    code,
    requestId: EXAMPLE_REQUEST_ID,
    ...(code === 'validation_failed' && { errors: [{ field: 'email', message: 'email must be an email address' }] }),
  };
}

/** The errors of every route that asks the database. */
export const UNAVAILABLE_PROBLEMS = ['service_unavailable', 'internal_error'] as const satisfies ProblemCode[];

/** The errors of every route that needs an access token. */
export const PROTECTED_PROBLEMS = [
  'invalid_token',
  'session_revoked',
  'session_expired',
  ...UNAVAILABLE_PROBLEMS,
] as const satisfies ProblemCode[];

/** The errors of every route that takes a body. */
export const BODY_PROBLEMS = [
  'malformed_body',
  'validation_failed',
  'body_too_large',
  'unsupported_media_type',
] as const satisfies ProblemCode[];
