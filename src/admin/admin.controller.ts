import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post, Query } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { type Caller, CurrentCaller } from '../sessions/caller.js';
import { AuditEventDto } from '../audit/audit-event.dto.js';
import { AuditTrail } from '../audit/audit-trail.js';
import { RevokedDto } from '../auth/auth-result.dto.js';
import { RequiresRole } from '../auth/role.guard.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { pageOf, PageQueryDto, requestedPage, requestedTextPage, textPageOf } from '../http/pagination.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { SessionDto, SessionsPageDto } from '../sessions/session.dto.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { UserSearch } from '../users/user-search.js';
import { SessionNotFoundError } from '../sessions/sessions.errors.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { LastAdminError } from '../users/users.errors.js';
import { AuditPageDto, AuditQueryDto, StaffActionDto, StaffUserDto, UsersPageDto, UsersQueryDto } from './admin.dto.js';
import { AdminService } from './admin.service.js';
import { UserNotFoundError } from './admin.errors.js';

const ApiId = (description: string) =>
  ApiParam({ name: 'id', format: 'uuid', example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61', description });
// The caller's own session leads a list of theirs. In a list that staff read, none does.
const NO_SESSION = '00000000-0000-0000-0000-000000000000';
const ApiReason = () => ApiBody({ type: StaffActionDto, required: false });

@ApiTags('Staff')
@RequiresRole('admin')
@Controller('admin')
export class AdminController {
  constructor(
    private readonly admin: AdminService,
    private readonly users: UserSearch,
    private readonly sessions: SessionsService,
    private readonly audit: AuditTrail,
  ) {}

  @Get('users')
  @ApiOperation({
    summary: 'Find accounts by how their address begins',
    description: 'In the order of their addresses. Without `email`: all of them, newest first.',
  })
  @ApiOkResponse({ type: UsersPageDto })
  async listUsers(@Query() { email = '', ...query }: UsersQueryDto): Promise<UsersPageDto> {
    return email === '' ? this.listNewestUsers(query) : this.listUsersByPrefix(email, query);
  }

  @Get('users/:id/sessions')
  @ApiId('The account.')
  @ApiOperation({
    summary: "A user's devices, the newest first",
    description: 'Active sessions only, as the user sees them.',
  })
  @ApiOkResponse({ type: SessionsPageDto })
  @ApiProblems(UserNotFoundError)
  async listUserSessions(
    @CurrentCaller() { sessionId }: Caller,
    @Param('id') id: string,
    @Query() query: PageQueryDto,
  ): Promise<SessionsPageDto> {
    const page = requestedPage(query);
    const { id: userId } = await this.admin.requireUser(id);
    const { sessions, hasMore } = await this.sessions.list({ userId, sessionId: NO_SESSION }, page);
    const items = sessions.map((session) => SessionDto.from(session, sessionId));
    return pageOf(items, hasMore, sessions.at(-1));
  }

  @Post('users/:id/sessions/revoke')
  @HttpCode(HttpStatus.OK)
  @ApiId('The account.')
  @ApiReason()
  @ApiOperation({
    summary: 'Revoke every session of a user',
    description: 'Every device is logged out at once. The user may log in again; to prevent that, disable the account.',
  })
  @ApiOkResponse({ type: RevokedDto })
  @ApiProblems(UserNotFoundError)
  async revokeUserSessions(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Body() { reason: note }: StaffActionDto,
    @Source() source: RequestSource,
  ): Promise<RevokedDto> {
    return { revoked: await this.admin.revokeAllOf(id, { staff, note: note ?? null, source }) };
  }

  @Post('sessions/:id/revoke')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiId('The session.')
  @ApiReason()
  @ApiOperation({
    summary: 'Revoke one session of any user',
    description: 'From the moment of the answer its access and refresh tokens are refused, everywhere.',
  })
  @ApiNoContentResponse({ description: 'Ended.' })
  @ApiProblems(SessionNotFoundError)
  revokeAnySession(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Body() { reason: note }: StaffActionDto,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.admin.revokeOne(id, { staff, note: note ?? null, source });
  }

  @Post('users/:id/disable')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiId('The account.')
  @ApiReason()
  @ApiOperation({
    summary: 'Disable an account: every session ends, and no login works',
    description: 'Until it is enabled again. The last admin cannot be disabled.',
  })
  @ApiNoContentResponse({ description: 'Disabled.' })
  @ApiProblems(UserNotFoundError, LastAdminError)
  disableUser(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Body() { reason: note }: StaffActionDto,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.admin.disable(id, { staff, note: note ?? null, source });
  }

  @Post('users/:id/enable')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiId('The account.')
  @ApiReason()
  @ApiOperation({ summary: 'Enable an account again', description: 'Its sessions stay ended.' })
  @ApiNoContentResponse({ description: 'Enabled.' })
  @ApiProblems(UserNotFoundError)
  enableUser(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Body() { reason: note }: StaffActionDto,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.admin.enable(id, { staff, note: note ?? null, source });
  }

  @Post('users/:id/password/reset')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiId('The account.')
  @ApiReason()
  @ApiOperation({
    summary: 'Mail a user the link to set a new password',
    description: 'Nothing changes until the link is used.',
  })
  @ApiAcceptedResponse({ description: 'The mail is on its way, unless the account is disabled.' })
  @ApiProblems(UserNotFoundError, TooManyRequestsError)
  sendPasswordReset(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Body() { reason: note }: StaffActionDto,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.admin.startReset(id, { staff, note: note ?? null, source });
  }

  @Get('audit')
  @ApiOperation({
    summary: 'The audit trail, newest first',
    description:
      'What happened, to which account and session, who did it, and from where. Filters that are left out exclude nothing.',
  })
  @ApiOkResponse({ type: AuditPageDto })
  async listAuditEvents(@Query() { userId, type, from, to, ...query }: AuditQueryDto): Promise<AuditPageDto> {
    const found = await this.audit.search({ userId, type, from, to, ...requestedPage(query) });
    const events = found.slice(0, query.limit);
    const last = events.at(-1);
    const items = events.map((event) => AuditEventDto.from(event));
    return pageOf(items, found.length > query.limit, last && { createdAt: last.at, id: last.id });
  }

  private async listNewestUsers(query: PageQueryDto): Promise<UsersPageDto> {
    const { after, limit } = requestedPage(query);
    const { users, hasMore } = await this.users.findNewest(after, limit);
    const items = users.map((user) => StaffUserDto.from(user));
    return pageOf(items, hasMore, users.at(-1));
  }

  private async listUsersByPrefix(prefix: string, query: PageQueryDto): Promise<UsersPageDto> {
    const { after, limit } = requestedTextPage(query);
    const { users, hasMore } = await this.users.findByPrefix(prefix, after, limit);
    const items = users.map((user) => StaffUserDto.from(user));
    return textPageOf(items, hasMore, users.at(-1)?.email);
  }
}
