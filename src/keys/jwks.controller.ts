import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../http/public.decorator.js';
import { JwksDto } from './jwks.dto.js';
import { SigningKeys } from './signing-keys.js';

@ApiTags('Keys')
@Public()
@Controller('.well-known')
export class JwksController {
  constructor(private readonly keys: SigningKeys) {}

  @Get('jwks.json')
  @ApiOperation({
    summary: 'The public keys that access tokens are verified with, and what receivers are sent',
    description:
      'A JSON Web Key Set (RFC 7517), for any origin. A verifier that keeps it for ten minutes never refuses a good token, ' +
      'and asks again when a token names a key that is not in it. Access tokens are of ES256 alone: accept no other `alg` for ' +
      'them. A signature says who issued a token; whether its session is still open, only Latchkey knows.',
  })
  @ApiOkResponse({
    type: JwksDto,
    headers: { 'Cache-Control': { schema: { type: 'string', example: 'public, max-age=300' } } },
  })
  async listKeys(@Res({ passthrough: true }) reply: FastifyReply): Promise<JwksDto> {
    const keys = JwksDto.from(await this.keys.listAccepted());
    // Public, so any page may read it, and without cookies: never "*" together with credentials.
    void reply.removeHeader('Access-Control-Allow-Credentials').headers({
      'Access-Control-Allow-Origin': '*',
      'Cache-Control': 'public, max-age=300',
      'Cross-Origin-Resource-Policy': 'cross-origin',
    });
    return keys;
  }
}
