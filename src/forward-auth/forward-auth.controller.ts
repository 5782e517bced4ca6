import { All, Controller, HttpCode, HttpStatus, Req, Res, UseFilters } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AskedByProxy } from '../http/asked-by-proxy.js';
import { Public } from '../http/public.decorator.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { ApiVerdict } from './documented-verdict.js';
import { ForwardAuthService } from './forward-auth.service.js';
import { ForwardedAddress } from './forwarded-address.js';
import { SignInFilter } from './sign-in.filter.js';

@ApiTags('Reverse proxies')
@Public()
@Controller('verify')
export class ForwardAuthController {
  constructor(
    private readonly forwardAuth: ForwardAuthService,
    private readonly forwardedAddress: ForwardedAddress,
  ) {}

  @All()
  @AskedByProxy()
  @UseFilters(SignInFilter)
  @HttpCode(HttpStatus.OK)
  @ApiVerdict()
  async verify(
    @Req() request: FastifyRequest,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    reply.headers(await this.answer(request, true, source));
  }

  /** For proxies that append the path that they were asked for. */
  @All('*')
  @AskedByProxy()
  @HttpCode(HttpStatus.OK)
  @ApiExcludeEndpoint()
  async verifyBelow(
    @Req() request: FastifyRequest,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    reply.headers(await this.answer(request, false, source));
  }

  private answer(request: FastifyRequest, isQueryOwn: boolean, source: RequestSource) {
    this.forwardedAddress.look(request);
    const { headers, query } = request;
    return this.forwardAuth.verify({ headers, query, isQueryOwn }, source);
  }
}
