import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import passport from 'passport';
import { Strategy } from 'passport-jwt';
import type { Caller } from '../sessions/caller.js';
import { AppConfig } from '../config/config.js';
import { SessionChecker } from '../sessions/check/session-checker.js';
import { accessTokenStrategy } from './access-token-jwt.js';
import { AccessTokenKeys } from './access-token-keys.js';
import { AccessTokens } from './access-tokens.js';
import { bearerOf } from './bearer.js';

type Headed = Pick<IncomingMessage, 'headers'>;

/** Verifies an access token, and then asks whether its session is still open. A signature alone authorises nothing. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) implements OnApplicationShutdown {
  /**
   * Passport keeps strategies by name, for the whole process: an application that has Latchkey in it may have one called
   * "jwt", and another Latchkey in the process has this one with its own keys and sessions.
   */
  override name!: string;

  constructor(
    config: AppConfig,
    keys: AccessTokenKeys,
    private readonly tokens: AccessTokens,
    private readonly checker: SessionChecker,
  ) {
    super({ ...accessTokenStrategy(config, keys), jwtFromRequest: tokenOf, passReqToCallback: true });
  }

  // The constructor of the mixin asks for this, and then registers the strategy there by its name.
  protected getPassportInstance(): typeof passport {
    this.name = `latchkey-jwt-${randomUUID()}`;
    return passport;
  }

  onApplicationShutdown(): void {
    passport.unuse(this.name);
  }

  /**
   * Who is calling with a token whose signature was verified before, which skips that and nothing else: rejects as the
   * checker does. Null for any other token, and where there is none.
   */
  validateRemembered(request: Headed): Promise<Caller> | null {
    const claims = this.tokens.verified(tokenOf(request) ?? '');
    return claims && this.checker.require(claims);
  }

  /** The step after the signature: who is calling, if the session is open. Throws as the checker does. */
  validate(request: Headed, payload: unknown): Promise<Caller> {
    return this.checker.require(this.tokens.remember(tokenOf(request) ?? '', payload));
  }
}

const tokenOf = ({ headers }: Headed): string | null => bearerOf(headers);
