import { Injectable } from '@nestjs/common';
import { AccessTokens } from '../../auth/access-tokens.js';
import type { RequestSource } from '../../http/request-source.js';
import { SessionChecker } from '../../sessions/check/session-checker.js';
import { LogoutService } from '../../sessions/revoke/logout.service.js';
import { isAccessTokenRefusal } from '../../sessions/sessions.errors.js';
import type { Revoker } from '../../sessions/sessions.sql.js';
import type { ServiceClient } from '../../service-clients/service-client.js';
import { UnknownTokenLimit } from './unknown-token-limit.js';

/** Ends the session of a token that is handed in, whether its holder does it or another service (RFC 7009). */
@Injectable()
export class TokenRevocation {
  constructor(
    private readonly logouts: LogoutService,
    private readonly tokens: AccessTokens,
    private readonly checker: SessionChecker,
    private readonly limit: UnknownTokenLimit,
  ) {}

  /**
   * Revokes the session of an access token or a refresh token. Nothing happens where it is not valid, whatever the reason;
   * only an older refresh token is reuse here as everywhere. Throws `too_many_requests` where anyone without a client sends
   * too many that are none of ours, and what the database throws, which is no verdict.
   */
  async revoke(token: string, client: ServiceClient | null, source: RequestSource): Promise<void> {
    const revoker: Revoker = client
      ? { reason: 'revoked_by_service', actorId: client.id }
      : { reason: 'logout', actorId: null };
    const isOurs =
      (await this.logouts.revokeByRefreshToken(token, revoker, source)) ||
      (await this.revokeByAccessToken(token, revoker, source));
    if (!isOurs && !client) {
      await this.limit.consume(source);
    }
  }

  // False where it is no access token of ours.
  private async revokeByAccessToken(token: string, revoker: Revoker, source: RequestSource): Promise<boolean> {
    const claims = await this.tokens.find(token);
    if (!claims) {
      return false;
    }
    try {
      await this.logouts.revokeOfCaller(await this.checker.require(claims), revoker, source);
    } catch (error) {
      if (!isAccessTokenRefusal(error)) {
        throw error;
      }
      await this.logouts.confirmEnded();
    }
    return true;
  }
}
