import { ApiProperty, ApiSchema, PickType } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import { AtMostCharacters, IsOptionalField } from '../http/validation.js';
import { PASSWORD_MAX_LENGTH } from '../users/password-policy.js';
import { IsPassword, LoginDto } from '../auth/credentials.dto.js';

const TOKEN_MAX_LENGTH = 100;
const TOKEN_EXAMPLE = 'q8Kf2cX0vWlGm4pYhT6sZbN1eRj9uDa3oLi7xQyE5Vg';

@ApiSchema({ name: 'ChangePasswordRequest' })
export class ChangePasswordDto {
  @ApiProperty({ format: 'password', minLength: 1, maxLength: PASSWORD_MAX_LENGTH, example: 'correct horse battery' })
  @IsPassword()
  readonly currentPassword!: string;

  @ApiProperty({
    format: 'password',
    minLength: 1,
    maxLength: PASSWORD_MAX_LENGTH,
    example: 'a better passphrase',
    description: 'At least as many characters as PASSWORD_MIN_LENGTH says, and none of the most common passwords.',
  })
  @IsPassword()
  readonly newPassword!: string;
}

@ApiSchema({ name: 'ChangeEmailRequest' })
export class ChangeEmailDto extends PickType(LoginDto, ['email'] as const) {
  @ApiProperty({
    format: 'password',
    minLength: 1,
    maxLength: PASSWORD_MAX_LENGTH,
    example: 'correct horse battery',
    required: false,
    description: 'May be left out for a while after login.',
  })
  @IsPassword()
  @IsOptionalField()
  readonly password?: string;
}

@ApiSchema({ name: 'ForgotPasswordRequest' })
export class ForgotPasswordDto extends PickType(LoginDto, ['email'] as const) {}

@ApiSchema({ name: 'MailedTokenRequest' })
export class MailedTokenDto {
  @ApiProperty({ maxLength: TOKEN_MAX_LENGTH, example: TOKEN_EXAMPLE, description: 'From the link of the mail.' })
  @AtMostCharacters(TOKEN_MAX_LENGTH)
  @IsString()
  readonly token!: string;
}

@ApiSchema({ name: 'VerifyEmailRequest' })
export class VerifyEmailDto extends MailedTokenDto {
  @ApiProperty({
    format: 'password',
    minLength: 1,
    maxLength: PASSWORD_MAX_LENGTH,
    example: 'correct horse battery',
    required: false,
    description: 'Only where the address was registered more than once.',
  })
  @IsPassword()
  @IsOptionalField()
  readonly password?: string;
}

@ApiSchema({ name: 'ResetPasswordRequest' })
export class ResetPasswordDto extends MailedTokenDto {
  @ApiProperty({
    format: 'password',
    minLength: 1,
    maxLength: PASSWORD_MAX_LENGTH,
    example: 'a better passphrase',
    description: 'At least as many characters as PASSWORD_MIN_LENGTH says, and none of the most common passwords.',
  })
  @IsPassword()
  readonly newPassword!: string;
}
