import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { SessionGrant } from '../sessions/session-with-user.js';
import { AccessTokens } from './access-tokens.js';
import { AuthResultDto } from './auth-result.dto.js';
import { RefreshCookie } from './refresh-cookie.js';

/** Answers a session with its tokens: the refresh token as a cookie or in the body, as was chosen at login. */
@Injectable()
export class TokenResponses {
  constructor(
    private readonly accessTokens: AccessTokens,
    private readonly cookie: RefreshCookie,
  ) {}

  async send(reply: FastifyReply, grant: SessionGrant): Promise<AuthResultDto> {
    const accessToken = await this.accessTokens.issue(grant);
    if (grant.session.delivery === 'cookie') {
      this.cookie.set(reply, grant.refreshToken, grant);
    }
    return AuthResultDto.from(grant, accessToken);
  }
}
