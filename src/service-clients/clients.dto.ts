import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import { namedType } from '../http/openapi/named-type.js';
import { PageOf } from '../http/pagination.js';
import { AtMostCharacters, DistinctValuesOf, PlainText } from '../http/validation.js';
import { SERVICE_CLIENT_SCOPES, type ServiceClientScope } from './service-client.entity.js';
import type { ClientSecret } from './service-clients.repository.js';
import type { ClientWithSecrets } from './service-clients.service.js';

const NAME_MAX_LENGTH = 64;
const SCOPE = namedType(
  'ServiceClientScope',
  SERVICE_CLIENT_SCOPES,
  'What a service client may do. With `signals` it has streams of shared signals.',
);
const CLIENT_SECRET = {
  example: 'lks_Zm9yIGV4YW1wbGUgb25seSwgbm90IGEgc2VjcmV0ISEhISE',
  description: 'The `client_secret`. It is shown this once: what is stored is a hash.',
};

@ApiSchema({ name: 'ServiceClientRequest' })
export class AddClientDto {
  @ApiProperty({
    minLength: 1,
    maxLength: NAME_MAX_LENGTH,
    example: 'billing-api',
    description: 'For people, and in the audit trail. No other client has it.',
  })
  @PlainText()
  @AtMostCharacters(NAME_MAX_LENGTH)
  @IsString()
  readonly name!: string;

  @ApiProperty({ ...SCOPE, isArray: true, minItems: 1, uniqueItems: true, example: ['introspect', 'verify'] })
  @DistinctValuesOf(SERVICE_CLIENT_SCOPES)
  readonly scopes!: ServiceClientScope[];
}

export class ClientSecretDto {
  @ApiProperty({ format: 'uuid', example: '3f0c2b7e-94a1-4c0d-8f5e-2b9d6a7c1e40' })
  readonly id!: string;

  @ApiProperty({ format: 'date-time', example: '2026-11-28T09:30:00.000Z' })
  readonly createdAt!: string;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: '2026-11-28T09:41:00.000Z',
    description: 'To the minute; null where it was never used.',
  })
  readonly lastUsedAt!: string | null;

  static from({ id, createdAt, lastUsedAt }: ClientSecret): ClientSecretDto {
    return { id, createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null };
  }
}

export class AddedClientSecretDto extends ClientSecretDto {
  @ApiProperty(CLIENT_SECRET)
  readonly clientSecret!: string;
}

export class ServiceClientDto {
  @ApiProperty({
    format: 'uuid',
    example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61',
    description: 'The `client_id`.',
  })
  readonly id!: string;

  @ApiProperty({ example: 'billing-api' })
  readonly name!: string;

  @ApiProperty({ ...SCOPE, isArray: true, example: ['introspect', 'verify'] })
  readonly scopes!: string[];

  @ApiProperty({ format: 'date-time', example: '2026-11-28T09:30:00.000Z' })
  readonly createdAt!: string;

  @ApiProperty({ type: [ClientSecretDto], description: 'Those that are valid, the oldest first.' })
  readonly secrets!: ClientSecretDto[];

  static from({ id, name, scopes, createdAt, secrets }: ClientWithSecrets): ServiceClientDto {
    return {
      id,
      name,
      scopes: [...scopes],
      createdAt: createdAt.toISOString(),
      secrets: secrets.map((secret) => ClientSecretDto.from(secret)),
    };
  }
}

export class AddedClientDto extends ServiceClientDto {
  @ApiProperty(CLIENT_SECRET)
  readonly clientSecret!: string;
}

export class ServiceClientsPageDto extends PageOf(ServiceClientDto) {}
