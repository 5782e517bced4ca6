import { Body, Controller, HttpCode, HttpStatus, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type Caller, CurrentCaller } from '../sessions/caller.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { Public } from '../http/public.decorator.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { AuthResultDto } from '../auth/auth-result.dto.js';
import { SET_COOKIE } from '../auth/documented-authentication.js';
import { TokenResponses } from '../auth/token-response.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { ChangePasswordDto, ForgotPasswordDto, ResetPasswordDto } from './passwords.dto.js';
import { LinkRequestsService } from './link-requests.service.js';
import { PasswordResetService } from './password-reset.service.js';
import { PasswordsService } from './passwords.service.js';
import { InvalidResetTokenError, WrongPasswordError } from './account.errors.js';

@ApiTags('Account')
@Controller('auth/password')
export class PasswordsController {
  constructor(
    private readonly passwords: PasswordsService,
    private readonly resets: PasswordResetService,
    private readonly links: LinkRequestsService,
    private readonly tokenResponses: TokenResponses,
  ) {}

  @Post('change')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Change your password',
    description: 'Every session ends, this one too; the answer has a fresh one for this device.',
  })
  @ApiOkResponse({ type: AuthResultDto, headers: SET_COOKIE })
  @ApiProblems(WrongPasswordError, TooManyRequestsError)
  async changePassword(
    @CurrentCaller() caller: Caller,
    @Body() passwords: ChangePasswordDto,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AuthResultDto> {
    return this.tokenResponses.send(reply, await this.passwords.change(caller, passwords, source));
  }

  @Public()
  @Post('forgot')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Ask for a mail with a link to set a new password',
    description: 'The answer is the same whether or not there is such an account.',
  })
  @ApiAcceptedResponse({ description: 'If there is such an account, a mail is on its way.' })
  @ApiProblems(TooManyRequestsError)
  requestPasswordReset(@Body() { email }: ForgotPasswordDto, @Source() source: RequestSource): Promise<void> {
    return this.links.requestPasswordReset(email, source);
  }

  @Public()
  @Post('reset')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Set a new password with the token of a mail',
    description: 'Every session ends, and nobody is signed in.',
  })
  @ApiNoContentResponse({ description: 'Set.' })
  @ApiProblems(InvalidResetTokenError, TooManyRequestsError)
  resetPassword(@Body() { token, newPassword }: ResetPasswordDto, @Source() source: RequestSource): Promise<void> {
    return this.resets.reset(token, newPassword, source);
  }
}
