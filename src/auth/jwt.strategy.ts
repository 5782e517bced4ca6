import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import passport from 'passport';
import type { Caller } from '../sessions/caller.js';
import { SessionChecker } from '../sessions/check/session-checker.js';
import { InvalidAccessTokenError } from '../sessions/sessions.errors.js';
import { AccessTokens } from './access-tokens.js';

const BEARER = /^Bearer +([\w.-]+)$/i;

type Request = Pick<IncomingMessage, 'headers'>;
type Verify = (request: Request, done: (error: Error | null, caller: Caller) => void) => void;

/** Passport's side. The strategy of passport-jwt would verify each token itself, beside {@link AccessTokens}. */
class BearerStrategy extends passport.Strategy {
  constructor(private readonly verify: Verify) {
    super();
  }

  override authenticate(request: Request): void {
    this.verify(request, (error, caller) => (error ? this.error(error) : this.success(caller)));
  }
}

/** Verifies an access token, and then asks whether its session is still open. A signature alone authorises nothing. */
@Injectable()
export class JwtStrategy extends PassportStrategy(BearerStrategy, 'jwt') {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly checker: SessionChecker,
  ) {
    super();
  }

  /** Who is calling. Throws {@link InvalidAccessTokenError}, and as the checker does. */
  async validate({ headers }: Request): Promise<Caller> {
    // To the letter of RFC 6750, section 2.1: one token and nothing after it.
    const token = BEARER.exec(headers.authorization ?? '')?.[1];
    if (token === undefined) {
      throw new InvalidAccessTokenError(headers.authorization !== undefined);
    }
    return this.checker.require(this.tokens.verify(token));
  }
}
