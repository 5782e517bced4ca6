import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Query, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { type Caller, callerOf, CurrentCaller } from './caller.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { pageOf, PageQueryDto, requestedPage, START } from '../http/pagination.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { LogoutService } from './revoke/logout.service.js';
import { RenameSessionDto } from './rename-session.dto.js';
import { EndedSessionDto, EndedSessionsPageDto, SessionDto, SessionsPageDto } from './session.dto.js';
import { SessionsService } from './sessions.service.js';
import { SessionNotFoundError } from './sessions.errors.js';

const ApiId = () =>
  ApiParam({
    name: 'id',
    format: 'uuid',
    example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61',
    description: 'The session, one of your list.',
  });

@ApiTags('Devices')
@Controller('sessions')
export class SessionsController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly logouts: LogoutService,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Your devices',
    description: 'Active sessions only: the current one first, then the newest.',
  })
  @ApiOkResponse({ type: SessionsPageDto })
  async listSessions(@CurrentCaller() caller: Caller, @Query() query: PageQueryDto): Promise<SessionsPageDto> {
    const { sessions, hasMore } = await this.sessions.list(caller, requestedPage(query));
    const items = sessions.map((session) => SessionDto.from(session, caller.sessionId));
    // The current session comes first, wherever its place is: the rest starts from the beginning.
    return pageOf(items, hasMore, items.at(-1)?.current ? START : sessions.at(-1));
  }

  @Get('current')
  @ApiOperation({
    summary: 'The session of this request',
    description: 'That of the access token: its device, when it was last seen, and until when it lasts.',
  })
  @ApiOkResponse({ type: SessionDto })
  getCurrentSession(@Req() request: FastifyRequest): SessionDto {
    const { session } = callerOf(request);
    return SessionDto.from(session, session.id);
  }

  @Get('history')
  @ApiOperation({
    summary: 'Your sessions that ended in the last 90 days, why and by whom',
    description: 'The newest end first. Sessions that ran out of time are among them, with the reason `expired`.',
  })
  @ApiOkResponse({ type: EndedSessionsPageDto })
  @ApiProblems(TooManyRequestsError)
  async listEndedSessions(
    @CurrentCaller() caller: Caller,
    @Query() query: PageQueryDto,
  ): Promise<EndedSessionsPageDto> {
    const { sessions, hasMore } = await this.sessions.listEnded(caller, requestedPage(query));
    const items = sessions.map((ended) => EndedSessionDto.fromEnded(ended));
    const last = sessions.at(-1);
    return pageOf(items, hasMore, last && { createdAt: last.endedAt, id: last.session.id });
  }

  @Patch(':id')
  @ApiOperation({
    summary: 'Name a device',
    description:
      'The name is your own word for it, in your lists and in mails. What it is called by itself stays in `label`.',
  })
  @ApiId()
  @ApiOkResponse({ type: SessionDto })
  @ApiProblems(SessionNotFoundError, TooManyRequestsError)
  async renameSession(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() { deviceName }: RenameSessionDto,
    @Source() source: RequestSource,
  ): Promise<SessionDto> {
    return SessionDto.from(await this.sessions.rename(caller, id, deviceName, source), caller.sessionId);
  }

  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Log out one device',
    description: 'From the moment of the answer its access and refresh tokens are refused, everywhere.',
  })
  @ApiId()
  @ApiNoContentResponse({ description: 'Ended.' })
  @ApiProblems(SessionNotFoundError)
  revokeSession(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.logouts.logoutDevice(caller, id, source);
  }
}
