import { Readable } from 'node:stream';
import { Body, Controller, Get, HttpCode, HttpStatus, Post, Req, Res, StreamableFile } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Caller, CurrentCaller } from '../sessions/caller.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { CLEARED_COOKIE } from '../auth/documented-authentication.js';
import { RefreshCookie } from '../auth/refresh-cookie.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { LastAdminError } from '../users/users.errors.js';
import { DeleteAccountDto, ExportDto } from './account.dto.js';
import { AccountExport } from './account-export.js';
import { AccountService } from './account.service.js';
import { WrongPasswordError } from './account.errors.js';

@ApiTags('Account')
@Controller('auth/me')
export class AccountController {
  constructor(
    private readonly account: AccountService,
    private readonly exports: AccountExport,
    private readonly cookie: RefreshCookie,
  ) {}

  @Get('export')
  @ApiOperation({
    summary: 'Everything that is stored about you',
    description:
      'One at a time. The document comes as it is read, and breaks off, without its end, where the database fails or ' +
      'your session ends meanwhile.',
  })
  @ApiOkResponse({ type: ExportDto })
  @ApiProblems(TooManyRequestsError)
  async exportAccount(
    @CurrentCaller() caller: Caller,
    @Source() source: RequestSource,
    @Req() { method }: FastifyRequest,
  ): Promise<StreamableFile> {
    // To HEAD the head is all.
    const document = method === 'HEAD' ? Readable.from([]) : await this.exports.open(caller, source);
    return new StreamableFile(document, { type: 'application/json; charset=utf-8' });
  }

  @Post('delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Delete your account', description: 'Every session ends at once. There is no way back.' })
  @ApiNoContentResponse({ description: 'Deleted.', headers: CLEARED_COOKIE })
  @ApiProblems(WrongPasswordError, LastAdminError, TooManyRequestsError)
  async deleteAccount(
    @Req() request: FastifyRequest,
    @CurrentCaller() caller: Caller,
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
