import { ApiProperty } from '@nestjs/swagger';
import type { OpenedKey } from './opened-keys.js';
import { SIGNING_ALGORITHM } from './signing-key.js';

export class JwkDto {
  @ApiProperty({ enum: ['EC'], example: 'EC' })
  readonly kty!: string;

  @ApiProperty({ enum: ['P-256'], example: 'P-256' })
  readonly crv!: string;

  @ApiProperty({ example: '0eTRhpDHQ1ylsJ1iZfXrdTB39fKZnJcRwOVwJhiWZ0U' })
  readonly x!: string;

  @ApiProperty({ example: 'g2A9xVrHeUOhIQaW6cQWF1tdoP9LxmbxyjUAYlz9Ybs' })
  readonly y!: string;

  @ApiProperty({
    example: 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U',
    description: 'The thumbprint of the key (RFC 7638), and the header `kid` of what it signed.',
  })
  readonly kid!: string;

  @ApiProperty({ enum: ['sig'], example: 'sig' })
  readonly use!: string;

  @ApiProperty({ enum: [SIGNING_ALGORITHM], example: SIGNING_ALGORITHM })
  readonly alg!: string;
}

export class JwksDto {
  @ApiProperty({
    type: [JwkDto],
    description:
      'The key that signs, the next one from 20 minutes before it signs, and each former one while a token of it may be ' +
      'valid. Empty where JWT_ALGORITHM is HS256.',
  })
  readonly keys!: readonly JwkDto[];

  static from(keys: readonly OpenedKey[]): JwksDto {
    return {
      keys: keys.map(({ id, jwk: { kty, crv, x, y } }) => ({
        kty,
        crv,
        x,
        y,
        kid: id,
        use: 'sig',
        alg: SIGNING_ALGORITHM,
      })),
    };
  }
}
