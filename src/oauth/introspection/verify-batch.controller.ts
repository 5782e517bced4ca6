import { Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { LargeJsonBody, TakesLargeJson } from '../../http/large-json.js';
import { type RequestSource, Source } from '../../http/request-source.js';
import { ForServiceClient } from '../../service-clients/service-client.guard.js';
import { Introspection } from './introspection.service.js';
import { BATCH_LIMITS, VerifyBatchDto, VerifyBatchResultDto } from './verify-batch.dto.js';

@ApiTags('Other services')
@Controller('verify')
export class VerifyBatchController {
  constructor(private readonly introspection: Introspection) {}

  @Post('batch')
  @ForServiceClient('verify')
  @TakesLargeJson(VerifyBatchDto, BATCH_LIMITS)
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Are these access tokens active?',
    description:
      'For a service that has many requests at once: the answers of introspection, in order. All share one query that begins ' +
      'after this request arrived. The client authenticates by HTTP Basic.',
  })
  @ApiOkResponse({ type: VerifyBatchResultDto })
  async verifyBatch(
    @LargeJsonBody(VerifyBatchDto) { tokens }: VerifyBatchDto,
    @Source() source: RequestSource,
  ): Promise<VerifyBatchResultDto> {
    return { results: await this.introspection.inspectAccessTokens(tokens, source) };
  }
}
