import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { isEmail, IsIn, IsNotEmpty, IsString, registerDecorator, ValidateBy } from 'class-validator';
import { AtMostCharacters, IsOptionalField, NoControlCharacters, PlainText } from '../http/validation.js';
import { DEVICE_NAME_MAX_LENGTH } from '../sessions/rename-session.dto.js';
import { TOKEN_DELIVERY } from '../sessions/session.dto.js';
import { TOKEN_DELIVERIES, type TokenDelivery } from '../sessions/session.entity.js';
import { isTooLong, PASSWORD_MAX_LENGTH } from '../users/password-policy.js';

const NAME_MAX_LENGTH = 100;

// ASCII only, and only ASCII is folded: other scripts have letters that fold, or look, like another person's address
// (IN-06). No quotes: "name"@host is the mailbox of name@host, and would be a second account of it.
const IsAsciiEmail = () =>
  ValidateBy({
    name: 'isAsciiEmail',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'string' && /^[\x21\x23-\x7e]{1,254}$/.test(value) && isEmail(value),
      defaultMessage: (found) =>
        typeof found?.value === 'string' && /\P{ASCII}/u.test(found.value)
          ? 'must be an e-mail address in ASCII: without accents, and without letters of other scripts'
          : 'must be an e-mail address',
    },
  });

// Counted in code points, before anything is hashed (PW-01).
function IsNotTooLong(): PropertyDecorator {
  return (target, propertyKey) => {
    registerDecorator({
      name: 'isNotTooLong',
      target: target.constructor,
      propertyName: String(propertyKey),
      validator: {
        validate: (value: unknown) => typeof value === 'string' && !isTooLong(value),
        defaultMessage: () => `must not have more than ${PASSWORD_MAX_LENGTH} characters`,
      },
    });
  };
}

/** A password as it was sent; whether it is good enough to set is another question. */
export const IsPassword = () =>
  applyDecorators(IsString(), IsNotEmpty({ message: 'must not be empty' }), NoControlCharacters(), IsNotTooLong());

@ApiSchema({ name: 'LoginRequest' })
export class LoginDto {
  @ApiProperty({
    format: 'email',
    maxLength: 254,
    example: 'ada@example.com',
    description: 'Its case does not matter.',
  })
  @IsAsciiEmail()
  @Transform(({ value }) =>
    typeof value === 'string' ? value.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : value,
  )
  readonly email!: string;

  @ApiProperty({
    format: 'password',
    minLength: 1,
    maxLength: PASSWORD_MAX_LENGTH,
    example: 'correct horse battery staple',
  })
  @IsPassword()
  readonly password!: string;

  @ApiPropertyOptional({
    minLength: 1,
    maxLength: DEVICE_NAME_MAX_LENGTH,
    example: 'Work laptop',
    description: 'What the user calls this device, in the list of devices.',
  })
  @PlainText()
  @AtMostCharacters(DEVICE_NAME_MAX_LENGTH)
  @IsString()
  @IsOptionalField()
  readonly deviceName?: string;

  @ApiPropertyOptional({
    ...TOKEN_DELIVERY,
    example: 'cookie',
    // No "default": clients are then generated to demand what may be left out.
    description: '`cookie` where it is left out.',
  })
  @IsIn(TOKEN_DELIVERIES)
  @IsOptionalField()
  readonly tokenDelivery?: TokenDelivery;
}

@ApiSchema({ name: 'RegisterRequest' })
export class RegisterDto extends LoginDto {
  @ApiPropertyOptional({
    minLength: 1,
    maxLength: NAME_MAX_LENGTH,
    example: 'Ada Lovelace',
    description: 'What the user is called.',
  })
  @PlainText()
  @AtMostCharacters(NAME_MAX_LENGTH)
  @IsString()
  @IsOptionalField()
  readonly name?: string;
}

@ApiSchema({ name: 'RefreshTokenRequest' })
export class RefreshDto {
  @ApiPropertyOptional({
    example: 'v1.5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61.1.R3…wQ.hX…4A',
    description: 'Only for sessions whose token is delivered in the body; leave it out where the cookie carries it.',
  })
  @IsString()
  @IsOptionalField()
  readonly refreshToken?: string;
}
