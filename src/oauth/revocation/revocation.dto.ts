import type { Type } from '@nestjs/common';
import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { plainToInstance, Transform } from 'class-transformer';
import { IsIn, IsNotEmpty, IsString, ValidateBy, ValidateNested } from 'class-validator';
import { namedUnion } from '../../http/openapi/named-type.js';
import { AtMostCharacters, IsOptionalField, NoControlCharacters } from '../../http/validation.js';

const VALUE_MAX_LENGTH = 512;

@ApiSchema({ name: 'RevocationRequest' })
export class RevokeDto {
  @ApiProperty({
    example: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9…',
    description: 'An access token or a refresh token.',
  })
  @IsString()
  readonly token!: string;

  @ApiProperty({
    required: false,
    example: 'access_token',
    description: '`access_token` or `refresh_token`. It changes nothing: a token shows what it is.',
  })
  @IsString()
  @IsOptionalField()
  readonly token_type_hint?: string;
}

const format = (name: string, description: string) => ({ enum: [name], example: name, description });
const IsValue = (): PropertyDecorator => (target, key) => {
  for (const decorate of [NoControlCharacters(), AtMostCharacters(VALUE_MAX_LENGTH), IsNotEmpty(), IsString()]) {
    decorate(target, key);
  }
};

class IssuerSubjectDto {
  @ApiProperty(format('iss_sub', 'By the claims of an access token.'))
  @IsIn(['iss_sub'])
  readonly format!: 'iss_sub';

  @ApiProperty({
    maxLength: VALUE_MAX_LENGTH,
    example: 'latchkey',
    description: 'Users of another issuer are not known here.',
  })
  @IsValue()
  readonly iss!: string;

  @ApiProperty({ maxLength: VALUE_MAX_LENGTH, example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61' })
  @IsValue()
  readonly sub!: string;
}

class EmailSubjectDto {
  @ApiProperty(format('email', 'By the address of the account.'))
  @IsIn(['email'])
  readonly format!: 'email';

  @ApiProperty({ maxLength: VALUE_MAX_LENGTH, example: 'ada@example.com', description: 'Its case does not matter.' })
  @IsValue()
  readonly email!: string;
}

class OpaqueSubjectDto {
  @ApiProperty(format('opaque', 'By the id of the user, which is also `sub`.'))
  @IsIn(['opaque'])
  readonly format!: 'opaque';

  @ApiProperty({ maxLength: VALUE_MAX_LENGTH, example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61' })
  @IsValue()
  readonly id!: string;
}

/** A user, as RFC 9493 writes one. */
export type SubjectIdentifier = IssuerSubjectDto | EmailSubjectDto | OpaqueSubjectDto;

const FORMATS = new Map<string, Type<SubjectIdentifier>>([
  ['iss_sub', IssuerSubjectDto],
  ['email', EmailSubjectDto],
  ['opaque', OpaqueSubjectDto],
]);
export const SUBJECT_CLASSES = [...FORMATS.values()];
const SUBJECT_IDENTIFIER = namedUnion(
  'SubjectIdentifier',
  { discriminator: 'format', classes: Object.fromEntries(FORMATS) },
  'A user, as RFC 9493 writes one.',
);

/** Of the class that its format names; as it was, where that is none we know. */
function withClass(value: unknown): unknown {
  const name = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  const Dto = typeof name === 'string' ? FORMATS.get(name) : undefined;
  return Dto ? plainToInstance(Dto, value) : value;
}

const isSubject = (value: unknown): boolean => SUBJECT_CLASSES.some((Dto) => value instanceof Dto);

@ApiSchema({ name: 'GlobalTokenRevocationRequest' })
export class RevokeGloballyDto {
  @ApiProperty({ ...SUBJECT_IDENTIFIER, example: { format: 'email', email: 'ada@example.com' } })
  @ValidateNested()
  @ValidateBy({
    name: 'isSubjectIdentifier',
    validator: {
      validate: isSubject,
      defaultMessage: () => 'must be an object with the format iss_sub, email or opaque',
    },
  })
  @Transform(({ value }) => withClass(value))
  readonly sub_id!: SubjectIdentifier;
}
