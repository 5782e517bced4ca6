import { ApiProperty } from '@nestjs/swagger';

/** The shape of every error below `/oauth/` (RFC 6749, section 5.2). */
export class OAuthErrorDto {
  @ApiProperty({ example: 'invalid_request', description: 'For programs; stable.' })
  readonly error!: string;

  @ApiProperty({ example: 'token is required', description: 'For people; may change.' })
  readonly error_description!: string;
}
