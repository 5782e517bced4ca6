import { ApiProperty, getSchemaPath } from '@nestjs/swagger';

export const EXAMPLE_REQUEST_ID = '0b9f0a52-7d0c-4a3e-9d52-1f2f6c0e8a11';

/** Under this name the OpenAPI document lists every code that is declared. */
export const PROBLEM_CODE = 'ProblemCode';

export class FieldErrorDto {
  @ApiProperty({
    example: 'email',
    description: 'The name of a field or parameter; of one inside another, as `devices[0].name`.',
  })
  readonly field!: string;

  @ApiProperty({
    example: 'must be an e-mail address',
    description:
      'For people: the rest of a sentence that begins with the field, so that a page can put its label before it.',
  })
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
    allOf: [{ $ref: getSchemaPath(PROBLEM_CODE) }],
    example: 'session_revoked',
    description: 'For programs; stable.',
  })
  readonly code!: string;

  @ApiProperty({ example: EXAMPLE_REQUEST_ID, description: 'The X-Request-Id of this answer.' })
  readonly requestId!: string;

  @ApiProperty({ type: [FieldErrorDto], required: false, description: 'On validation_failed only.' })
  readonly errors?: FieldErrorDto[];
}
