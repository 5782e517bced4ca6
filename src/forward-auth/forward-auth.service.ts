import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { ForbiddenError } from '../auth/auth.errors.js';
import { AppConfig } from '../config/config.js';
import type { RequestSource } from '../http/request-source.js';
import { RefusalTrail } from '../limits/refusal-trail.js';
import type { OpenSessionState } from '../sessions/caller.js';
import { secondsOf } from '../sessions/check/session-checker.js';
import { hasRole } from '../users/user.entity.js';
import { type Acr, type Demands, hasAcr, readDemands } from './demands.js';
import { Assertions } from './assertions.js';
import { InsufficientVisitError } from './forward-auth.errors.js';
import { SignInPages } from './sign-in.js';
import { Visitors } from './visitors.js';

// Every session began with a password.
const ACR: Acr = 'aal1';

/** What a proxy asks. */
export interface Question {
  readonly headers: IncomingHttpHeaders;
  readonly query: unknown;
  readonly isQueryOwn: boolean;
}

/** Answers proxies that ask whether a request of theirs may pass. */
@Injectable()
export class ForwardAuthService {
  constructor(
    private readonly visitors: Visitors,
    private readonly assertions: Assertions,
    private readonly refusals: RefusalTrail,
    private readonly signInPages: SignInPages,
    private readonly config: AppConfig,
  ) {}

  /**
   * The headers that tell an upstream who is there. Each is always among them, so that none that a client sent can take its place.
   * Throws what says why the request may not pass: 401 first, then 403; 503 is no verdict.
   */
  async verify(question: Question, source: RequestSource): Promise<Record<string, string>> {
    const visitor = await this.visitors.require(question.headers, source);
    const demands = readDemands(question, {
      accessAudience: this.config.jwtAudience,
      isSignInPage: (address): address is string => this.signInPages.find(address) !== null,
    });
    await this.require(demands, visitor, source);
    const { session, user } = visitor;
    return {
      'X-Latchkey-User': user.id,
      'X-Latchkey-Email': percentEncoded(user.email),
      'X-Latchkey-Session': session.id,
      'X-Latchkey-Role': user.role,
      'X-Latchkey-Auth-Time': String(secondsOf(session.authenticatedAt)),
      // Access tokens have no acr either, before there are factors.
      'X-Latchkey-Acr': '',
      'X-Latchkey-Assertion':
        demands.audience === undefined ? '' : await this.assertions.issue(visitor, demands.audience),
    };
  }

  private async require(
    demands: Demands,
    { session, user, readAt }: OpenSessionState,
    source: RequestSource,
  ): Promise<void> {
    if (demands.role !== undefined && !hasRole(user.role, demands.role)) {
      await this.refusals.record(
        { type: 'access_refused', outcome: 'failure', userId: user.id, sessionId: session.id, actorId: user.id },
        source,
      );
      throw new ForbiddenError();
    }
    const age = (readAt.getTime() - session.authenticatedAt.getTime()) / 1000;
    const isTooOld = demands.maxAgeSeconds !== undefined && age > demands.maxAgeSeconds;
    if (isTooOld || (demands.acr !== undefined && !hasAcr(ACR, demands.acr))) {
      throw new InsufficientVisitError(demands);
    }
  }
}

// The sign itself too, or else two addresses would be one after decoding.
const percentEncoded = (text: string): string => text.replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
