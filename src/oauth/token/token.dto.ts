import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import { IsOptionalField } from '../../http/validation.js';
import { CLIENT_TOKEN_SECONDS, type ClientToken } from '../../service-clients/client-tokens.js';

export const CLIENT_CREDENTIALS = 'client_credentials';

@ApiSchema({ name: 'ClientTokenRequest' })
export class ClientTokenRequestDto {
  @ApiProperty({ enum: [CLIENT_CREDENTIALS], example: CLIENT_CREDENTIALS })
  @IsString()
  readonly grant_type!: string;

  @ApiPropertyOptional({
    example: 'signals',
    description: 'Scopes, separated by spaces; all of the client that tokens can have where unset.',
  })
  @IsString()
  @IsOptionalField()
  readonly scope?: string;
}

/** RFC 6749, section 5.1. */
export class ClientTokenDto {
  @ApiProperty({ example: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9…' })
  readonly access_token!: string;

  @ApiProperty({ enum: ['Bearer'], example: 'Bearer' })
  readonly token_type!: string;

  @ApiProperty({ type: 'integer', example: CLIENT_TOKEN_SECONDS, description: 'Seconds.' })
  readonly expires_in!: number;

  @ApiProperty({ example: 'signals' })
  readonly scope!: string;

  static from({ token, scopes }: ClientToken): ClientTokenDto {
    return { access_token: token, token_type: 'Bearer', expires_in: CLIENT_TOKEN_SECONDS, scope: scopes.join(' ') };
  }
}
