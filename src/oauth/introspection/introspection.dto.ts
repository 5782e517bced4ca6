import { ApiProperty } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import { IsOptionalField } from '../../http/validation.js';
import type { SessionClaims } from '../../sessions/check/session-checker.js';
import { secondsOf } from '../../sessions/check/session-checker.js';
import type { SessionWithUser } from '../../sessions/session-with-user.js';

const ACCESS_TOKENS_ONLY = 'Of an access token.';

export class IntrospectionRequestDto {
  @ApiProperty({
    example: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9…',
    description: 'An access token or a refresh token.',
  })
  @IsString({ message: 'must be a string' })
  readonly token!: string;

  @ApiProperty({
    required: false,
    example: 'access_token',
    description: '`access_token` or `refresh_token`. It changes nothing: a token shows what it is.',
  })
  @IsString({ message: 'must be a string' })
  @IsOptionalField()
  readonly token_type_hint?: string;
}

/** What {@link IntrospectionDto.ofAccessToken} says of every token alike. */
export interface Issued {
  readonly iss: string;
  readonly aud: string;
}

/** The answer of RFC 7662, section 2.2: of a token that is not active nothing but that. */
export class IntrospectionDto {
  @ApiProperty({
    example: true,
    description:
      'Whether Latchkey accepts the token now. Where it is false there is no other member, whatever the reason.',
  })
  readonly active!: boolean;

  @ApiProperty({ required: false, example: 'Bearer', description: '`Bearer`, or `refresh_token`.' })
  readonly token_type?: string;

  @ApiProperty({
    required: false,
    format: 'uuid',
    example: '0f8fad5b-d9cb-469f-a165-70867728950e',
    description: 'The id of the user.',
  })
  readonly sub?: string;

  @ApiProperty({
    required: false,
    format: 'uuid',
    example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61',
    description: 'The id of the session.',
  })
  readonly sid?: string;

  @ApiProperty({ required: false, example: 'latchkey', description: `JWT_ISSUER. ${ACCESS_TOKENS_ONLY}` })
  readonly iss?: string;

  @ApiProperty({ required: false, example: 'latchkey', description: `JWT_AUDIENCE. ${ACCESS_TOKENS_ONLY}` })
  readonly aud?: string;

  @ApiProperty({
    required: false,
    format: 'uuid',
    example: '8a3c0d2f-4c8b-4a9e-9e61-6f0b5b1f7d1e',
    description: `The id of the token. ${ACCESS_TOKENS_ONLY}`,
  })
  readonly jti?: string;

  @ApiProperty({
    required: false,
    type: 'integer',
    example: 1_795_000_000,
    description: `When the token was issued, in seconds since 1970. ${ACCESS_TOKENS_ONLY}`,
  })
  readonly iat?: number;

  @ApiProperty({
    required: false,
    type: 'integer',
    example: 1_795_000_600,
    description: 'When it expires if nothing ends it before, in seconds since 1970.',
  })
  readonly exp?: number;

  @ApiProperty({
    required: false,
    type: 'integer',
    example: 1_794_999_000,
    description: 'When the user logged in, in seconds since 1970.',
  })
  readonly auth_time?: number;

  @ApiProperty({
    required: false,
    format: 'email',
    example: 'ada@example.com',
    description: `The e-mail address of the user. ${ACCESS_TOKENS_ONLY}`,
  })
  readonly username?: string;

  static readonly INACTIVE: IntrospectionDto = { active: false };

  static ofAccessToken(
    { userId, sessionId, tokenId, issuedAt, expiresAt, authenticatedAt }: SessionClaims,
    { email }: { readonly email: string },
    { iss, aud }: Issued,
  ): IntrospectionDto {
    return {
      active: true,
      token_type: 'Bearer',
      sub: userId,
      sid: sessionId,
      iss,
      aud,
      jti: tokenId,
      iat: issuedAt,
      exp: expiresAt,
      auth_time: authenticatedAt,
      username: email,
    };
  }

  static ofRefreshToken({ session }: Pick<SessionWithUser, 'session'>): IntrospectionDto {
    return {
      active: true,
      token_type: 'refresh_token',
      sub: session.userId,
      sid: session.id,
      exp: Math.min(secondsOf(session.idleExpiresAt), secondsOf(session.expiresAt)),
      auth_time: secondsOf(session.authenticatedAt),
    };
  }
}
