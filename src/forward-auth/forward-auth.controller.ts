import { All, Controller, HttpCode, HttpStatus, Req, Res, UseFilters } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AskedByProxy } from '../http/asked-by-proxy.js';
import { Public } from '../http/public.decorator.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { ApiVerdict } from './documented-verdict.js';
import { ForwardAuthService } from './forward-auth.service.js';
import { SignInFilter } from './sign-in.filter.js';

@ApiTags('Reverse proxies')
@Public()
@Controller('verify')
export class ForwardAuthController {
  constructor(private readonly forwardAuth: ForwardAuthService) {}

  @All()
  @AskedByProxy()
  @UseFilters(SignInFilter)
  @HttpCode(HttpStatus.OK)
  @ApiVerdict()
  async verify(
    @Req() { headers, query }: FastifyRequest,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    reply.headers(await this.forwardAuth.verify({ headers, query, isQueryOwn: true }, source));
  }

  /** For proxies that append the path that they were asked for. */
  @All('*')
  @AskedByProxy()
  @HttpCode(HttpStatus.OK)
  @ApiExcludeEndpoint()
  async verifyBelow(
    @Req() { headers, query }: FastifyRequest,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    reply.headers(await this.forwardAuth.verify({ headers, query, isQueryOwn: false }, source));
  }
}
