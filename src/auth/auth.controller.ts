import { Body, Controller, Get, HttpCode, HttpStatus, Post, Req, Res, UseFilters } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiCookieAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Caller, callerOf, CurrentCaller, OptionalCaller } from '../sessions/caller.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { NamedLanguage } from '../http/language.js';
import { Public } from '../http/public.decorator.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { SessionDto } from '../sessions/session.dto.js';
import { LogoutService } from '../sessions/revoke/logout.service.js';
import { RefreshService } from '../sessions/refresh/refresh.service.js';
import type { Device } from '../sessions/sessions.service.js';
import {
  InvalidRefreshTokenError,
  NothingToLogOutError,
  RefreshTokenReusedError,
  SessionExpiredError,
  SessionRevokedError,
} from '../sessions/sessions.errors.js';
import { UserDto } from '../users/user.dto.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { EmailTakenError } from '../users/users.errors.js';
import { AuthResultDto, MeDto, RevokedDto } from './auth-result.dto.js';
import { AuthService } from './auth.service.js';
import { CLEARED_SITE, ClearsCookieOn, SET_COOKIE } from './documented-authentication.js';
import { TokenResponses } from './token-response.js';
import { LoginDto, RefreshDto, RegisterDto } from './credentials.dto.js';
import { TakesRefreshToken } from './jwt-auth.guard.js';
import { LogoutFilter, RefreshCookieFilter } from './refresh-cookie.filter.js';
import { RefreshCookie } from './refresh-cookie.js';
import { AmbiguousRefreshTokenError, EmailNotVerifiedError, InvalidCredentialsError } from './auth.errors.js';
import { RegistrationService } from './registration.service.js';

// The first one is what Swagger UI fills in.
const REFRESH_EXAMPLES = {
  cookie: { summary: 'The cookie carries the token', value: {} },
  body: {
    summary: 'tokenDelivery "body"',
    value: { refreshToken: 'v1.5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61.1.R3…wQ.hX…4A' },
  },
};

@ApiTags('Sign in and out')
@Controller('auth')
export class AuthController {
  // Six: each way to a session, or out of it, is a service of its own.
  constructor(
    private readonly auth: AuthService,
    private readonly registrations: RegistrationService,
    private readonly refreshes: RefreshService,
    private readonly logouts: LogoutService,
    private readonly tokenResponses: TokenResponses,
    private readonly cookie: RefreshCookie,
  ) {}

  @Public()
  @Post('register')
  @ApiOperation({
    summary: 'Create an account and sign this device in',
    description: 'The first session of the account. `tokenDelivery` says how its refresh token travels.',
  })
  @ApiCreatedResponse({ type: AuthResultDto, headers: SET_COOKIE })
  @ApiAcceptedResponse({
    description:
      'Where addresses must be confirmed first: a mail is on its way, and there is no session yet. Nothing happens where ' +
      'as many mails went to the address within the hour as may (TOKEN_MAILS_PER_ACCOUNT).',
  })
  @ApiProblems(EmailTakenError, TooManyRequestsError)
  async register(
    @Body() credentials: RegisterDto,
    @NamedLanguage() language: string | null,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AuthResultDto | undefined> {
    const account = { ...credentials, name: credentials.name ?? null };
    const grant = await this.registrations.register(account, deviceOf(credentials, language), source);
    if (!grant) {
      void reply.status(HttpStatus.ACCEPTED);
      return undefined;
    }
    return this.tokenResponses.send(reply, grant);
  }

  @Public()
  @Post('login')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Sign a device in', description: 'Always opens a new session.' })
  @ApiOkResponse({ type: AuthResultDto, headers: SET_COOKIE })
  @ApiProblems(EmailNotVerifiedError, InvalidCredentialsError, TooManyRequestsError)
  async login(
    @Body() credentials: LoginDto,
    @NamedLanguage() language: string | null,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AuthResultDto> {
    return this.tokenResponses.send(reply, await this.auth.login(credentials, deviceOf(credentials, language), source));
  }

  @Public()
  @UseFilters(RefreshCookieFilter)
  @Post('refresh')
  @HttpCode(HttpStatus.OK)
  @ApiCookieAuth('refreshCookie')
  @ApiOperation({
    summary: 'Exchange a refresh token for the next one',
    description:
      'Callers who present the same token together all get the same successor, and a client whose answer was lost may ' +
      'try again. Any older token is taken for stolen: its session ends.',
  })
  @ApiBody({ type: RefreshDto, required: false, examples: REFRESH_EXAMPLES })
  @ApiOkResponse({ type: AuthResultDto, headers: SET_COOKIE })
  @ClearsCookieOn(HttpStatus.UNAUTHORIZED)
  @ApiProblems(
    InvalidRefreshTokenError,
    SessionRevokedError,
    SessionExpiredError,
    RefreshTokenReusedError,
    AmbiguousRefreshTokenError,
    TooManyRequestsError,
  )
  async refresh(
    @Req() request: FastifyRequest,
    @Body() { refreshToken }: RefreshDto,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AuthResultDto> {
    const presented = this.cookie.read(request, refreshToken);
    return this.tokenResponses.send(reply, await this.refreshes.refresh(presented, source));
  }

  @TakesRefreshToken()
  @UseFilters(LogoutFilter)
  @Post('logout')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiCookieAuth('refreshCookie')
  @ApiOperation({
    summary: 'Log out this device',
    description:
      'Ends the session of the refresh token, or else that of the access token. It works with an expired access token, ' +
      'and may be sent again within ten seconds.',
  })
  @ApiBody({ type: RefreshDto, required: false, examples: REFRESH_EXAMPLES })
  @ApiNoContentResponse({ description: 'Ended.', headers: CLEARED_SITE })
  @ClearsCookieOn(HttpStatus.BAD_REQUEST, HttpStatus.UNAUTHORIZED)
  @ApiProblems(NothingToLogOutError, AmbiguousRefreshTokenError)
  async logout(
    @Req() request: FastifyRequest,
    @OptionalCaller() caller: Caller | null,
    @Body() { refreshToken }: RefreshDto,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const presented = this.cookie.read(request, refreshToken);
    await this.logouts.logout(presented, caller, source);
    this.cookie.forget(request, reply);
  }

  @TakesRefreshToken()
  @UseFilters(RefreshCookieFilter)
  @Post('logout-all')
  @HttpCode(HttpStatus.OK)
  @ApiCookieAuth('refreshCookie')
  @ApiOperation({
    summary: 'Log out every device, this one included',
    description:
      'With a refresh token, or else an access token, of a session that is active. Every session of the user ends.',
  })
  @ApiBody({ type: RefreshDto, required: false, examples: REFRESH_EXAMPLES })
  @ApiOkResponse({ type: RevokedDto, headers: CLEARED_SITE })
  @ClearsCookieOn(HttpStatus.UNAUTHORIZED)
  @ApiProblems(InvalidRefreshTokenError, RefreshTokenReusedError, AmbiguousRefreshTokenError)
  async logoutAll(
    @Req() request: FastifyRequest,
    @OptionalCaller() caller: Caller | null,
    @Body() { refreshToken }: RefreshDto,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RevokedDto> {
    const presented = this.cookie.read(request, refreshToken);
    const revoked = await this.logouts.logoutAll(presented, caller, source);
    this.cookie.forget(request, reply);
    return { revoked };
  }

  @Post('logout-others')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Log out every other device',
    description: 'Every session of the user ends but that of the access token.',
  })
  @ApiOkResponse({ type: RevokedDto })
  async logoutOthers(@CurrentCaller() caller: Caller, @Source() source: RequestSource): Promise<RevokedDto> {
    return { revoked: await this.logouts.logoutOthers(caller, source) };
  }

  @Get('me')
  @ApiOperation({
    summary: 'Who am I, and on which device?',
    description: 'The account as it is now, its role included, and the session of the access token.',
  })
  @ApiOkResponse({ type: MeDto })
  getMe(@Req() request: FastifyRequest): MeDto {
    const { user, session } = callerOf(request);
    // Not spread: V8 gave each such object a shape of its own.
    return Object.assign(UserDto.from(user), { session: SessionDto.from(session, session.id) });
  }
}

const deviceOf = ({ tokenDelivery, deviceName }: LoginDto, language: string | null): Device => ({
  delivery: tokenDelivery ?? 'cookie',
  deviceName: deviceName ?? null,
  language,
});
