import { ApiExtraModels, ApiProperty } from '@nestjs/swagger';
import { namedUnion } from '../http/openapi/named-type.js';
import type { OpenedKey } from './opened-keys.js';
import { SIGNING_ALGORITHM } from './signing-key.js';

class AnyJwkDto {
  @ApiProperty({
    example: 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U',
    description: 'The thumbprint of the key (RFC 7638), and the header `kid` of what it signed.',
  })
  readonly kid!: string;

  @ApiProperty({ enum: ['sig'], example: 'sig' })
  readonly use!: string;
}

/** A key of access tokens, and of most else. */
export class EcJwkDto extends AnyJwkDto {
  @ApiProperty({ enum: ['EC'], example: 'EC' })
  readonly kty!: string;

  @ApiProperty({ enum: ['P-256'], example: 'P-256' })
  readonly crv!: string;

  @ApiProperty({ example: '0eTRhpDHQ1ylsJ1iZfXrdTB39fKZnJcRwOVwJhiWZ0U' })
  readonly x!: string;

  @ApiProperty({ example: 'g2A9xVrHeUOhIQaW6cQWF1tdoP9LxmbxyjUAYlz9Ybs' })
  readonly y!: string;

  @ApiProperty({ enum: [SIGNING_ALGORITHM], example: SIGNING_ALGORITHM })
  readonly alg!: string;
}

/** A key of what is sent to receivers that take nothing else. No access token is signed with it. */
export class RsaJwkDto extends AnyJwkDto {
  @ApiProperty({ enum: ['RSA'], example: 'RSA' })
  readonly kty!: string;

  @ApiProperty({ example: 'wGHu0bS0dMRzXfJ3e7jUyvd8bT1u0qk5nV0m2pXo…' })
  readonly n!: string;

  @ApiProperty({ example: 'AQAB' })
  readonly e!: string;

  @ApiProperty({ enum: ['RS256'], example: 'RS256' })
  readonly alg!: string;
}

const JWK = namedUnion(
  'Jwk',
  { discriminator: 'kty', classes: { EC: EcJwkDto, RSA: RsaJwkDto } },
  'A public key. Those of access tokens have `alg` ES256; with the others receivers verify what they are sent.',
);

@ApiExtraModels(EcJwkDto, RsaJwkDto)
export class JwksDto {
  @ApiProperty({
    type: 'array',
    items: JWK,
    description:
      'Of each algorithm the key that signs, the next one from 20 minutes before it signs, and each former one while a token of ' +
      'it may be valid. Empty where JWT_ALGORITHM is HS256.',
  })
  readonly keys!: readonly (EcJwkDto | RsaJwkDto)[];

  static from(keys: readonly OpenedKey[]): JwksDto {
    return { keys: keys.map(({ id, algorithm, jwk }) => ({ ...jwk, kid: id, use: 'sig', alg: algorithm })) };
  }
}
