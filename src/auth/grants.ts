import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { SessionGrant } from '../sessions/session-with-user.js';
import { AccessTokens } from './access-tokens.js';
import { AuthResultDto } from './auth-result.dto.js';
import { RefreshCookie } from './refresh-cookie.js';

/** Hands tokens to whoever signed in, the refresh token in the way they chose. */
@Injectable()
export class Grants {
  constructor(
    private readonly accessTokens: AccessTokens,
    private readonly cookie: RefreshCookie,
  ) {}

  deliver(reply: FastifyReply, grant: SessionGrant): AuthResultDto {
    if (grant.session.delivery === 'cookie') {
      this.cookie.set(reply, grant.refreshToken, grant);
    }
    return AuthResultDto.from(grant, this.accessTokens.issue(grant));
  }
}
