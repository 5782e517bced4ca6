import { Body, Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  ApiProblems,
  BODY_PROBLEMS,
  COMMON_HEADERS,
  PROTECTED_PROBLEMS,
  UNAVAILABLE_PROBLEMS,
} from '../common/api-problems.decorator.js';
import { CurrentCaller } from '../common/caller.js';
import { Public } from '../common/public.decorator.js';
import { type RequestSource, Source } from '../common/request-source.js';
import type { CheckedCaller } from '../sessions/session-checker.js';
import { EmailService } from './email.service.js';
import { ChangeEmailDto, MailedTokenDto } from './passwords.dto.js';

@ApiTags('auth')
@Controller('auth/email')
export class EmailController {
  constructor(private readonly email: EmailService) {}

  @Public()
  @Post('verify')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Confirm an e-mail address with the token of a mail' })
  @ApiNoContentResponse({ description: 'Confirmed.', headers: COMMON_HEADERS })
  @ApiProblems(
    'cross_site_request',
    'invalid_verification_token',
    'email_taken',
    ...BODY_PROBLEMS,
    'too_many_requests',
    ...UNAVAILABLE_PROBLEMS,
  )
  verify(@Body() { token }: MailedTokenDto, @Source() source: RequestSource): Promise<void> {
    return this.email.verify(token, source);
  }

  @Post('change')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiBearerAuth('bearer')
  @ApiOperation({
    summary: 'Ask for another e-mail address',
    description:
      'A mail goes to the new address, and one to the present address. It takes effect when the link in the former is ' +
      'confirmed. The password may be left out for REAUTH_MAX_AGE seconds after it was given at login.',
  })
  @ApiAcceptedResponse({ description: 'Mails are on their way, if nobody has the address.', headers: COMMON_HEADERS })
  @ApiProblems(
    'cross_site_request',
    'insufficient_user_authentication',
    { code: 'invalid_credentials', status: HttpStatus.FORBIDDEN },
    ...BODY_PROBLEMS,
    'too_many_requests',
    ...PROTECTED_PROBLEMS,
  )
  change(
    @CurrentCaller() caller: CheckedCaller,
    @Body() change: ChangeEmailDto,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.email.change(caller, change, source);
  }

  @Post('resend')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Ask for the mail that confirms your address once more' })
  @ApiAcceptedResponse({ description: 'On its way, unless it is confirmed already.', headers: COMMON_HEADERS })
  @ApiProblems('cross_site_request', 'too_many_requests', ...PROTECTED_PROBLEMS)
  resend(@CurrentCaller() caller: CheckedCaller, @Source() source: RequestSource): Promise<void> {
    return this.email.resend(caller, source);
  }
}
