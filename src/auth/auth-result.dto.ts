import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { SessionDto } from '../sessions/session.dto.js';
import type { SessionGrant } from '../sessions/session-with-user.js';
import { UserDto } from '../users/user.dto.js';
import type { AccessToken } from './access-tokens.js';

export class AuthResultDto {
  @ApiProperty({
    example: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOi…',
    description: 'A JWT, to be sent as `Authorization: Bearer <accessToken>`.',
  })
  readonly accessToken!: string;

  @ApiProperty({ enum: ['Bearer'], example: 'Bearer' })
  readonly tokenType!: 'Bearer';

  @ApiProperty({
    type: 'integer',
    example: 600,
    description: 'Seconds that the access token lives, if its session does.',
  })
  readonly expiresIn!: number;

  @ApiPropertyOptional({
    example: 'v1.5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61.1.R3…wQ.hX…4A',
    description: 'Only with tokenDelivery "body". Opaque.',
  })
  readonly refreshToken?: string;

  @ApiProperty({ type: UserDto })
  readonly user!: UserDto;

  @ApiProperty({ type: SessionDto })
  readonly session!: SessionDto;

  static from({ session, user, refreshToken }: SessionGrant, { accessToken, expiresIn }: AccessToken): AuthResultDto {
    return {
      accessToken,
      tokenType: 'Bearer',
      expiresIn,
      ...(session.delivery === 'body' && { refreshToken }),
      user: UserDto.from(user),
      session: SessionDto.from(session, session.id),
    };
  }
}

@ApiSchema({ name: 'RevokedSessions' })
export class RevokedDto {
  @ApiProperty({ type: 'integer', example: 3, description: 'How many sessions were ended.' })
  readonly revoked!: number;
}

export class MeDto extends UserDto {
  @ApiProperty({ type: SessionDto })
  readonly session!: SessionDto;
}
