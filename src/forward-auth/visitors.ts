import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { AccessTokens } from '../auth/access-tokens.js';
import { bearerOf, isBearerSent } from '../auth/bearer.js';
import type { RequestSource } from '../http/request-source.js';
import { EndedSessionUses } from '../sessions/check/ended-session-uses.js';
import type { OpenSessionState } from '../sessions/caller.js';
import { SessionChecker } from '../sessions/check/session-checker.js';
import { InvalidAccessTokenError, SessionRevokedError } from '../sessions/sessions.errors.js';
import { VisitCookie } from './visit-cookie.js';

/** Who makes the requests that proxies ask about. */
@Injectable()
export class Visitors {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly checker: SessionChecker,
    private readonly cookie: VisitCookie,
    private readonly endedSessionUses: EndedSessionUses,
  ) {}

  /**
   * The open session of the access token or, where none is sent, of the visit cookie: an access token that is refused is not
   * saved by a cookie. Throws {@link InvalidAccessTokenError} where neither proves a session, and as the session checker does.
   */
  async require(headers: IncomingHttpHeaders, source: RequestSource): Promise<OpenSessionState> {
    try {
      return await (isBearerSent(headers) ? this.ofBearer(headers) : this.ofCookie(headers));
    } catch (error) {
      if (error instanceof SessionRevokedError && error.session) {
        this.endedSessionUses.note(error.session, source);
      }
      throw error;
    }
  }

  private async ofBearer(headers: IncomingHttpHeaders): Promise<OpenSessionState> {
    return this.checker.require(await this.tokens.verify(bearerOf(headers) ?? ''));
  }

  private ofCookie(headers: IncomingHttpHeaders): Promise<OpenSessionState> {
    const sessionId = this.cookie.isSent(headers) ? this.cookie.read(headers) : null;
    if (sessionId === null) {
      throw new InvalidAccessTokenError(false);
    }
    return this.checker.requireSession(sessionId);
  }
}
