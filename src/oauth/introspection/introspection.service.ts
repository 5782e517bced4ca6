import { Injectable } from '@nestjs/common';
import { AccessTokens } from '../../auth/access-tokens.js';
import { AppConfig } from '../../config/config.js';
import type { RequestSource } from '../../http/request-source.js';
import { EndedSessionUses } from '../../sessions/check/ended-session-uses.js';
import { SessionChecker, type SessionClaims } from '../../sessions/check/session-checker.js';
import { RefreshService } from '../../sessions/refresh/refresh.service.js';
import { isAccessTokenRefusal, SessionRevokedError } from '../../sessions/sessions.errors.js';
import { IntrospectionDto } from './introspection.dto.js';

/**
 * Says to other services whether a token is active: whether Latchkey itself would accept it, by the session as it is after
 * the request arrived. A database that does not answer is no verdict: then everything here throws.
 */
@Injectable()
export class Introspection {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly checker: SessionChecker,
    private readonly refresh: RefreshService,
    private readonly endedSessionUses: EndedSessionUses,
    private readonly config: AppConfig,
  ) {}

  /** Inspects a token of either kind. A refresh token is not spent by it, and an old one ends nothing. */
  async inspect(token: string, source: RequestSource): Promise<IntrospectionDto> {
    const granted = await this.refresh.findHonouring(token);
    if (granted) {
      return IntrospectionDto.ofRefreshToken(granted);
    }
    const [answer = IntrospectionDto.INACTIVE] = await this.inspectAccessTokens([token], source);
    return answer;
  }

  /**
   * Inspects access tokens, which share one query that begins after this call. Their sessions count as used, since the
   * clients are using their tokens, only elsewhere.
   */
  async inspectAccessTokens(tokens: readonly string[], source: RequestSource): Promise<IntrospectionDto[]> {
    // Two steps, so that none begins to wait for the query before all do.
    const claims = await Promise.all(tokens.map((token) => this.tokens.find(token)));
    return Promise.all(claims.map((one) => this.answer(one, source)));
  }

  private async answer(claims: SessionClaims | null, source: RequestSource): Promise<IntrospectionDto> {
    if (!claims) {
      return IntrospectionDto.INACTIVE;
    }
    try {
      const { user } = await this.checker.require(claims);
      const { jwtIssuer: iss, jwtAudience: aud } = this.config;
      return IntrospectionDto.ofAccessToken(claims, user, { iss, aud });
    } catch (error) {
      if (error instanceof SessionRevokedError && error.session) {
        this.endedSessionUses.note(error.session, source);
      }
      if (isAccessTokenRefusal(error)) {
        return IntrospectionDto.INACTIVE;
      }
      throw error;
    }
  }
}
