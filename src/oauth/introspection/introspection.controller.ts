import { Controller, Headers, HttpCode, HttpStatus, Post, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { FormBody, TakesForm } from '../../http/form.js';
import { type RequestSource, Source } from '../../http/request-source.js';
import { ApiProblems } from '../../problems/api-problems.decorator.js';
import { CurrentClient, ForServiceClient } from '../../service-clients/service-client.guard.js';
import type { ServiceClient } from '../../service-clients/service-client.js';
import { IntrospectionDto, IntrospectionRequestDto } from './introspection.dto.js';
import { SignedAnswersError } from './introspection.errors.js';
import { Introspection } from './introspection.service.js';
import { SIGNED_INTROSPECTION, SignedIntrospection } from './signed-introspection.js';

@ApiTags('Other services')
@Controller('oauth')
export class IntrospectionController {
  constructor(
    private readonly introspection: Introspection,
    private readonly signed: SignedIntrospection,
  ) {}

  @Post('introspect')
  @ForServiceClient('introspect')
  @TakesForm(IntrospectionRequestDto)
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Is a token active?',
    description:
      'RFC 7662, for access tokens and refresh tokens alike: whether Latchkey would accept the token now, by the session as it ' +
      'is after this request arrived. Never keep the answer. A refresh token is not spent by it. For everything that is not ' +
      'active the answer is the same, whatever the reason. With `Accept: application/token-introspection+jwt` the answer is ' +
      'signed (RFC 9701).',
  })
  @ApiOkResponse({
    description: 'What the token says, if it is active.',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(IntrospectionDto) } },
      [SIGNED_INTROSPECTION]: {
        schema: { type: 'string', example: 'eyJhbGciOiJFUzI1NiIsInR5cCI6InRva2VuLWludHJvc3BlY3Rpb24rand0In0…' },
      },
    },
  })
  @ApiProblems(SignedAnswersError)
  async introspect(
    @FormBody(IntrospectionRequestDto) { token }: IntrospectionRequestDto,
    @CurrentClient() client: ServiceClient,
    @Source() source: RequestSource,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IntrospectionDto | string> {
    const isToBeSigned = this.signed.isAskedFor(accept);
    const answer = await this.introspection.inspect(token, source);
    if (!isToBeSigned) {
      return answer;
    }
    void reply.type(SIGNED_INTROSPECTION);
    return this.signed.sign(answer, client);
  }
}
