import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsString } from 'class-validator';
import { IntrospectionDto } from './introspection.dto.js';

const TOKENS_MAX = 500;
const TOKEN_MAX_BYTES = 1024;

export const BATCH_LIMITS = {
  limitBytes: TOKENS_MAX * TOKEN_MAX_BYTES,
  // Somewhat more tokens than are accepted are refused for their number, and not as no JSON.
  maxMembers: 10 * TOKENS_MAX,
};

export class VerifyBatchDto {
  @ApiProperty({
    type: [String],
    minItems: 1,
    maxItems: TOKENS_MAX,
    example: ['eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9…'],
    description: 'Access tokens. The same one may be there more than once.',
  })
  @IsString({ each: true, message: 'must be strings' })
  @ArrayMaxSize(TOKENS_MAX, { message: `must be at most ${TOKENS_MAX}` })
  @ArrayMinSize(1, { message: 'must be at least 1' })
  @IsArray({ message: 'must be a list' })
  readonly tokens!: string[];
}

export class VerifyBatchResultDto {
  @ApiProperty({ type: [IntrospectionDto], description: 'One for each token, in their order.' })
  readonly results!: IntrospectionDto[];
}
