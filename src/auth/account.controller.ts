import { Body, Controller, Get, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AuditEventDto } from '../audit/audit-event.dto.js';
import { ApiProblems, BODY_PROBLEMS, COMMON_HEADERS, PROTECTED_PROBLEMS } from '../common/api-problems.decorator.js';
import { CurrentCaller } from '../common/caller.js';
import { type RequestSource, Source } from '../common/request-source.js';
import type { CheckedCaller } from '../sessions/session-checker.js';
import { UserDto } from '../users/user.dto.js';
import { DeleteAccountDto, ExportDto, KeptSessionDto } from './account.dto.js';
import { AccountService } from './account.service.js';
import { RefreshCookie } from './refresh-cookie.js';

@ApiTags('auth')
@ApiBearerAuth('bearer')
@Controller('auth/me')
export class AccountController {
  constructor(
    private readonly account: AccountService,
    private readonly cookie: RefreshCookie,
  ) {}

  @Get('export')
  @ApiOperation({ summary: 'Everything that is stored about you' })
  @ApiOkResponse({ type: ExportDto, headers: COMMON_HEADERS })
  @ApiProblems(...PROTECTED_PROBLEMS)
  async export(@CurrentCaller() caller: CheckedCaller, @Source() source: RequestSource): Promise<ExportDto> {
    const { sessions, events } = await this.account.export(caller, source);
    return {
      exportedAt: caller.readAt.toISOString(),
      user: UserDto.from(caller.user),
      sessions: sessions.map((session) => KeptSessionDto.fromKept(session, caller.sessionId)),
      events: events.map((event) => AuditEventDto.forSubject(event)),
    };
  }

  @Post('delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Delete your account', description: 'Every session ends at once. There is no way back.' })
  @ApiNoContentResponse({ description: 'Deleted.', headers: COMMON_HEADERS })
  @ApiProblems(
    'cross_site_request',
    { code: 'invalid_credentials', status: HttpStatus.FORBIDDEN },
    'last_admin',
    ...BODY_PROBLEMS,
    'too_many_requests',
    ...PROTECTED_PROBLEMS,
  )
  async delete(
    @Req() request: FastifyRequest,
    @CurrentCaller() caller: CheckedCaller,
    @Body() { password }: DeleteAccountDto,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.account.delete(caller, password, source);
    if (this.cookie.isSent(request)) {
      this.cookie.clear(reply);
    }
  }
}
