import { ApiProperty } from '@nestjs/swagger';
import type { AppConfig } from '../../config/config.js';
import { SIGNING_ALGORITHM } from '../../keys/signing-key.js';
import { baseOf, issuerOf } from '../../config/issuer.js';

const CLIENT_METHODS = ['client_secret_basic', 'client_secret_post'];
const REVOCATION_METHODS = [...CLIENT_METHODS, 'none'];
const BASE = 'https://auth.example.com';

/** RFC 8414, section 2. */
export class ServerMetadataDto {
  @ApiProperty({ example: BASE, description: 'JWT_ISSUER, where that is a URL; otherwise PUBLIC_URL.' })
  readonly issuer!: string;

  @ApiProperty({
    required: false,
    example: `${BASE}/.well-known/jwks.json`,
    description: 'Not where JWT_ALGORITHM is HS256: it has no public keys.',
  })
  readonly jwks_uri?: string;

  @ApiProperty({ type: [String], example: [], description: 'None: nobody logs in here for another service.' })
  readonly response_types_supported!: readonly string[];

  @ApiProperty({
    type: [String],
    example: ['client_credentials'],
    description: 'For service clients alone. None under HS256.',
  })
  readonly grant_types_supported!: readonly string[];

  @ApiProperty({ required: false, example: `${BASE}/oauth/token`, description: 'RFC 6749. Not under HS256.' })
  readonly token_endpoint?: string;

  @ApiProperty({ required: false, type: [String], example: CLIENT_METHODS })
  readonly token_endpoint_auth_methods_supported?: readonly string[];

  @ApiProperty({ example: `${BASE}/oauth/introspect`, description: 'RFC 7662.' })
  readonly introspection_endpoint!: string;

  @ApiProperty({ type: [String], example: CLIENT_METHODS, description: 'How a service client authenticates there.' })
  readonly introspection_endpoint_auth_methods_supported!: readonly string[];

  @ApiProperty({
    required: false,
    type: [String],
    example: [SIGNING_ALGORITHM],
    description: 'How signed answers are signed (RFC 9701). Not where JWT_ALGORITHM is HS256: there are none.',
  })
  readonly introspection_signing_alg_values_supported?: readonly string[];

  @ApiProperty({ example: `${BASE}/oauth/revoke`, description: 'RFC 7009.' })
  readonly revocation_endpoint!: string;

  @ApiProperty({
    type: [String],
    example: REVOCATION_METHODS,
    description: 'How a service client authenticates there, or `none`: the holder of a token needs no client.',
  })
  readonly revocation_endpoint_auth_methods_supported!: readonly string[];

  @ApiProperty({
    example: `${BASE}/oauth/global-token-revocation`,
    description: 'draft-parecki-oauth-global-token-revocation.',
  })
  readonly global_token_revocation_endpoint!: string;

  @ApiProperty({ type: [String], example: CLIENT_METHODS.slice(0, 1), description: 'Its body is JSON, no form.' })
  readonly global_token_revocation_endpoint_auth_methods_supported!: readonly string[];

  static from(config: Pick<AppConfig, 'jwtAlgorithm' | 'jwtIssuer' | 'publicUrl'>): ServerMetadataDto {
    const base = baseOf(config.publicUrl);
    const hasKeys = config.jwtAlgorithm === SIGNING_ALGORITHM;
    return {
      issuer: issuerOf(config),
      ...(hasKeys && { jwks_uri: `${base}/.well-known/jwks.json` }),
      // Without an authorization endpoint there is none, and yet the standard requires the member.
      response_types_supported: [],
      // Left out it would mean two that are not there.
      grant_types_supported: hasKeys ? ['client_credentials'] : [],
      ...(hasKeys && {
        token_endpoint: `${base}/oauth/token`,
        token_endpoint_auth_methods_supported: CLIENT_METHODS,
      }),
      introspection_endpoint: `${base}/oauth/introspect`,
      introspection_endpoint_auth_methods_supported: CLIENT_METHODS,
      revocation_endpoint: `${base}/oauth/revoke`,
      revocation_endpoint_auth_methods_supported: REVOCATION_METHODS,
      global_token_revocation_endpoint: `${base}/oauth/global-token-revocation`,
      global_token_revocation_endpoint_auth_methods_supported: CLIENT_METHODS.slice(0, 1),
      ...(hasKeys && { introspection_signing_alg_values_supported: [SIGNING_ALGORITHM] }),
    };
  }
}
