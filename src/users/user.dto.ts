import { ApiProperty } from '@nestjs/swagger';
import type { Timed } from '../database/time.js';
import { namedType } from '../http/openapi/named-type.js';
import { ROLES, type UserProfile } from './user.entity.js';

const ROLE = namedType('Role', ROLES, 'What an account may do: staff have the role `admin`.');

export class UserDto {
  @ApiProperty({ format: 'uuid', example: '0f8fad5b-d9cb-469f-a165-70867728950e' })
  readonly id!: string;

  @ApiProperty({ format: 'email', example: 'ada@example.com' })
  readonly email!: string;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: 'Ada Lovelace',
    description: 'As it was given at registration; null where it was not.',
  })
  readonly name!: string | null;

  @ApiProperty({ ...ROLE, example: 'user' })
  readonly role!: string;

  @ApiProperty({ example: false, description: 'Whether the address was confirmed by a mailed link.' })
  readonly emailVerified!: boolean;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-23T09:30:00.000Z',
    description: 'When the account was created.',
  })
  readonly createdAt!: string;

  static from({ id, email, name, role, emailVerifiedAt, createdAt }: Timed<UserProfile>): UserDto {
    return { id, email, name, role, emailVerified: emailVerifiedAt !== null, createdAt: createdAt.toISOString() };
  }
}
