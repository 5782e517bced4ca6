import { Body, Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller } from '../sessions/caller.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { Public } from '../http/public.decorator.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { EmailTakenError } from '../users/users.errors.js';
import { AccountRecoveryService } from './account-recovery.service.js';
import { DisownedDto } from './disown.controller.js';
import { EmailChangeService } from './email-change.service.js';
import { EmailVerificationService } from './email-verification.service.js';
import { LinkRequestsService } from './link-requests.service.js';
import { ChangeEmailDto, MailedTokenDto, VerifyEmailDto } from './passwords.dto.js';
import {
  PasswordTooOldError,
  InvalidUndoTokenError,
  InvalidVerificationTokenError,
  WrongPasswordError,
} from './account.errors.js';

@ApiTags('Account')
@Controller('auth/email')
export class EmailController {
  constructor(
    private readonly verification: EmailVerificationService,
    private readonly changes: EmailChangeService,
    private readonly links: LinkRequestsService,
    private readonly recovery: AccountRecoveryService,
  ) {}

  @Public()
  @Post('verify')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Confirm an e-mail address with the token of a mail',
    description:
      'Where confirming comes before the first session and the address was registered more than once, a password must be ' +
      "given, and becomes the one of the account: any other may be another person's.",
  })
  @ApiNoContentResponse({ description: 'Confirmed.' })
  @ApiProblems(InvalidVerificationTokenError, EmailTakenError, TooManyRequestsError)
  verifyEmail(@Body() confirmation: VerifyEmailDto, @Source() source: RequestSource): Promise<void> {
    return this.verification.verify(confirmation, source);
  }

  @Public()
  @Post('undo')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Undo a change of address with the token that was mailed to the former one',
    description:
      'For a week. Every session ends, every pending change and mailed link is withdrawn, and the password no longer works.',
  })
  @ApiOkResponse({ type: DisownedDto })
  @ApiProblems(InvalidUndoTokenError, EmailTakenError, TooManyRequestsError)
  undoEmailChange(@Body() { token }: MailedTokenDto, @Source() source: RequestSource): Promise<DisownedDto> {
    return this.recovery.undoEmailChange(token, source);
  }

  @Post('change')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Ask for another e-mail address',
    description:
      'A mail goes to the new address, and one to the present address. It takes effect when the link in the former is ' +
      'confirmed. The password may be left out for REAUTH_MAX_AGE seconds after it was given at login.',
  })
  @ApiAcceptedResponse({ description: 'Mails are on their way, if nobody has the address.' })
  @ApiProblems(PasswordTooOldError, WrongPasswordError, TooManyRequestsError)
  requestEmailChange(
    @CurrentCaller() caller: Caller,
    @Body() change: ChangeEmailDto,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.changes.request(caller, change, source);
  }

  @Post('resend')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Ask for the mail that confirms your address once more',
    description: 'Nothing is sent where the address is confirmed already.',
  })
  @ApiAcceptedResponse({ description: 'On its way, unless it is confirmed already.' })
  @ApiProblems(TooManyRequestsError)
  resendVerification(@CurrentCaller() caller: Caller, @Source() source: RequestSource): Promise<void> {
    return this.links.requestVerification(caller, source);
  }
}
