import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AppConfig } from '../../config/config.js';
import { baseOf, issuerOf } from '../../config/issuer.js';
import { Public } from '../../http/public.decorator.js';
import { POLL, PUSH, STREAM_ALGORITHMS } from './stream.js';

const BASE = 'https://auth.example.com';

class AuthorizationSchemeDto {
  @ApiProperty({ example: 'urn:ietf:rfc:6749' })
  readonly spec_urn!: string;
}

/** OpenID Shared Signals Framework 1.0, section 7.1. */
class SsfConfigurationDto {
  @ApiProperty({ example: '1_0' })
  readonly spec_version!: string;

  @ApiProperty({ example: BASE })
  readonly issuer!: string;

  @ApiProperty({ example: `${BASE}/.well-known/jwks.json` })
  readonly jwks_uri!: string;

  @ApiProperty({ type: [String], example: [PUSH, POLL] })
  readonly delivery_methods_supported!: readonly string[];

  @ApiProperty({ example: `${BASE}/ssf/streams` })
  readonly configuration_endpoint!: string;

  @ApiProperty({ example: `${BASE}/ssf/status` })
  readonly status_endpoint!: string;

  @ApiProperty({ example: `${BASE}/ssf/verify` })
  readonly verification_endpoint!: string;

  @ApiProperty({ type: [AuthorizationSchemeDto] })
  readonly authorization_schemes!: readonly AuthorizationSchemeDto[];

  @ApiProperty({
    type: [String],
    example: STREAM_ALGORITHMS,
    description:
      'What events are signed with: the first one, unless a stream has another `signing_alg`. The framework has no such member: it ' +
      'is of Latchkey.',
  })
  readonly signing_alg_values_supported!: readonly string[];

  @ApiProperty({ enum: ['ALL'], example: 'ALL', description: 'A stream has the events of all users.' })
  readonly default_subjects!: string;
}

@ApiTags('Shared signals')
@Public()
@Controller('.well-known')
export class SsfConfigurationController {
  constructor(private readonly config: AppConfig) {}

  @Get('ssf-configuration')
  @ApiOperation({
    summary: 'How shared signals are received, and where',
    description: 'The transmitter metadata of the OpenID Shared Signals Framework, for any origin.',
  })
  @ApiOkResponse({ type: SsfConfigurationDto })
  getSsfConfiguration(@Res({ passthrough: true }) reply: FastifyReply): SsfConfigurationDto {
    // Public, as the key set is.
    void reply.removeHeader('Access-Control-Allow-Credentials').headers({
      'Access-Control-Allow-Origin': '*',
      'Cross-Origin-Resource-Policy': 'cross-origin',
    });
    const base = baseOf(this.config.publicUrl);
    return {
      spec_version: '1_0',
      issuer: issuerOf(this.config),
      jwks_uri: `${base}/.well-known/jwks.json`,
      delivery_methods_supported: [PUSH, POLL],
      configuration_endpoint: `${base}/ssf/streams`,
      status_endpoint: `${base}/ssf/status`,
      verification_endpoint: `${base}/ssf/verify`,
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
      signing_alg_values_supported: STREAM_ALGORITHMS,
      default_subjects: 'ALL',
    };
  }
}
