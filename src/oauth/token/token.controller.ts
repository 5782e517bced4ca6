import { Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { FormBody, TakesForm } from '../../http/form.js';
import { ApiProblems } from '../../problems/api-problems.decorator.js';
import { ClientTokens } from '../../service-clients/client-tokens.js';
import { CurrentClient, ForServiceClient } from '../../service-clients/service-client.guard.js';
import type { ServiceClient } from '../../service-clients/service-client.js';
import { CLIENT_CREDENTIALS, ClientTokenDto, ClientTokenRequestDto } from './token.dto.js';
import { InvalidScopeError, UnsupportedGrantTypeError } from './token.errors.js';

// The others are for what sends its secret with each request.
const SCOPE = 'signals';

@ApiTags('Other services')
@Controller('oauth')
export class TokenController {
  constructor(private readonly tokens: ClientTokens) {}

  @Post('token')
  @ForServiceClient(SCOPE)
  @TakesForm(ClientTokenRequestDto)
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'An access token for a service client',
    description:
      'The grant `client_credentials` (RFC 6749, 4.4), for receivers of shared signals. The token is good for ten minutes, and ' +
      'not any more from the moment the client ends. There is no grant for people: their tokens come from logins.',
  })
  @ApiOkResponse({ type: ClientTokenDto })
  @ApiProblems(InvalidScopeError, UnsupportedGrantTypeError)
  async issueToken(
    @FormBody(ClientTokenRequestDto) { grant_type: grantType, scope = SCOPE }: ClientTokenRequestDto,
    @CurrentClient() client: ServiceClient,
  ): Promise<ClientTokenDto> {
    if (grantType !== CLIENT_CREDENTIALS || !this.tokens.areIssued) {
      throw new UnsupportedGrantTypeError();
    }
    if (scope !== SCOPE) {
      throw new InvalidScopeError();
    }
    return ClientTokenDto.from(await this.tokens.issue(client, [SCOPE]));
  }
}
