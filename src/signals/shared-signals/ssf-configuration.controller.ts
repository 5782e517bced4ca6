import { Controller, Get, Res } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AppConfig } from '../../config/config.js';
import { baseOf, issuerOf } from '../../config/issuer.js';
import { Public } from '../../http/public.decorator.js';
import { SIGNING_ALGORITHM } from '../../keys/signing-key.js';
import { ApiProblems } from '../../problems/api-problems.decorator.js';
import { NotFoundError } from '../../problems/http.errors.js';
import { POLL, PUSH, STREAM_ALGORITHMS } from './stream.js';
import { NoSharedSignalsError } from './streams.errors.js';

const SUBJECT_MEMBERS = ['user', 'session'];
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

  @ApiProperty({
    type: [String],
    example: SUBJECT_MEMBERS,
    description: 'What a receiver has to understand of a complex subject: without its session it would be another one.',
  })
  readonly critical_subject_members!: readonly string[];
}

@ApiTags('Shared signals')
@Public()
@Controller('.well-known')
export class SsfConfigurationController {
  constructor(private readonly config: AppConfig) {}

  @Get('ssf-configuration')
  @ApiOperation({
    summary: 'How shared signals are received, and where',
    description:
      'The transmitter metadata of the OpenID Shared Signals Framework, for any origin. Where the issuer has a path, that may be ' +
      'appended, as receivers do. There is none under HS256.',
  })
  @ApiOkResponse({ type: SsfConfigurationDto })
  @ApiProblems(NoSharedSignalsError)
  getSsfConfiguration(@Res({ passthrough: true }) reply: FastifyReply): SsfConfigurationDto {
    if (this.config.jwtAlgorithm !== SIGNING_ALGORITHM) {
      throw new NoSharedSignalsError();
    }
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
      critical_subject_members: SUBJECT_MEMBERS,
    };
  }

  /** For an issuer with a path: that comes last (SSF 1.0, 7.2). Another path is that of another issuer. */
  @Get('ssf-configuration/*')
  @ApiExcludeEndpoint()
  getSsfConfigurationOfPath(@Res({ passthrough: true }) reply: FastifyReply): SsfConfigurationDto {
    const [path] = reply.request.url.split('?');
    const ofIssuer = new URL(issuerOf(this.config)).pathname.replace(/\/$/, '');
    if (ofIssuer === '' || path !== `/.well-known/ssf-configuration${ofIssuer}`) {
      throw new NotFoundError();
    }
    return this.getSsfConfiguration(reply);
  }
}
