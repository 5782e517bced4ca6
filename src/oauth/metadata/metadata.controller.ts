import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AppConfig } from '../../config/config.js';
import { Public } from '../../http/public.decorator.js';
import { ServerMetadataDto } from './metadata.dto.js';

@ApiTags('Other services')
@Public()
@Controller('.well-known')
export class MetadataController {
  constructor(private readonly config: AppConfig) {}

  @Get('oauth-authorization-server')
  @ApiOperation({
    summary: 'What there is for other services, and where',
    description:
      'The metadata of RFC 8414, for any origin, by which libraries of OAuth find everything else. It has what exists here: ' +
      'there is no authorization endpoint, and no token endpoint for people.',
  })
  @ApiOkResponse({ type: ServerMetadataDto })
  getServerMetadata(@Res({ passthrough: true }) reply: FastifyReply): ServerMetadataDto {
    // Public, as the key set is.
    void reply.removeHeader('Access-Control-Allow-Credentials').headers({
      'Access-Control-Allow-Origin': '*',
      'Cross-Origin-Resource-Policy': 'cross-origin',
    });
    return ServerMetadataDto.from(this.config);
  }
}
