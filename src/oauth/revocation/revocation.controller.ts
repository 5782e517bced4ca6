import { Body, Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiExtraModels, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { FormBody, TakesForm } from '../../http/form.js';
import { type RequestSource, Source } from '../../http/request-source.js';
import { ApiProblems } from '../../problems/api-problems.decorator.js';
import {
  CurrentClient,
  ForAnyoneOrServiceClient,
  ForServiceClient,
  OptionalClient,
} from '../../service-clients/service-client.guard.js';
import type { ServiceClient } from '../../service-clients/service-client.js';
import { GlobalRevocation } from './global-revocation.service.js';
import { RevokeDto, RevokeGloballyDto, SUBJECT_CLASSES } from './revocation.dto.js';
import { SubjectNotFoundError } from './revocation.errors.js';
import { TokenRevocation } from './token-revocation.service.js';

@ApiTags('Other services')
@Controller('oauth')
export class RevocationController {
  constructor(
    private readonly tokens: TokenRevocation,
    private readonly users: GlobalRevocation,
  ) {}

  @Post('revoke')
  @ForAnyoneOrServiceClient('revoke')
  @TakesForm(RevokeDto)
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'End the session of a token',
    description:
      'RFC 7009, for access tokens and refresh tokens alike. The holder of a token needs no client: that is a logout. ' +
      'With a service client the session is `revoked_by_service`. The answer is the same for tokens that are ' +
      'unknown, expired or revoked before, so it may be sent again.',
  })
  @ApiOkResponse({ description: 'The token is not valid, or not any more. No body.' })
  revoke(
    @FormBody(RevokeDto) { token }: RevokeDto,
    @OptionalClient() client: ServiceClient | null,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.tokens.revoke(token, client, source);
  }

  @Post('global-token-revocation')
  @ForServiceClient('revoke')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiExtraModels(...SUBJECT_CLASSES)
  @ApiOperation({
    summary: 'End every session of a user',
    description:
      'draft-parecki-oauth-global-token-revocation. Every device is logged out at once, and links that were mailed before do ' +
      'not work any more. The user may log in again; to prevent that, staff disable the account.',
  })
  @ApiNoContentResponse({ description: 'No session of the user is valid any more.' })
  @ApiProblems(SubjectNotFoundError)
  revokeGlobally(
    @Body() { sub_id: subject }: RevokeGloballyDto,
    @CurrentClient() client: ServiceClient,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.users.revoke(subject, client, source);
  }
}
