import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/config.js';
import { signJwt } from '../keys/sign-jwt.js';
import { SIGNING_ALGORITHM } from '../keys/signing-key.js';
import { SigningKeys } from '../keys/signing-keys.js';
import type { OpenSessionState } from '../sessions/caller.js';
import { secondsOf } from '../sessions/check/session-checker.js';

const LIFE_SECONDS = 60;
/** Neither an access token has this type, nor is an assertion one. */
const TYPE = 'latchkey-assertion+jwt';

/** What an upstream can verify by itself: that Latchkey answered for this session a moment ago, to this audience. */
@Injectable()
export class Assertions {
  constructor(
    private readonly keys: SigningKeys,
    private readonly config: AppConfig,
  ) {}

  /** Empty under HS256, whose key nobody else has. Throws `service_unavailable`, and what the database throws. */
  async issue({ session, user, ...moment }: OpenSessionState, audience: string): Promise<string> {
    if (this.config.jwtAlgorithm !== SIGNING_ALGORITHM) {
      return '';
    }
    const { id, privateKey } = await this.keys.signing(moment);
    const now = secondsOf(moment.readAt);
    const claims = {
      iss: this.config.jwtIssuer,
      aud: audience,
      sub: user.id,
      sid: session.id,
      role: user.role,
      auth_time: secondsOf(session.authenticatedAt),
      iat: now,
      exp: Math.min(now + LIFE_SECONDS, secondsOf(session.idleExpiresAt), secondsOf(session.expiresAt)),
    };
    return signJwt({ alg: SIGNING_ALGORITHM, typ: TYPE, kid: id }, claims, privateKey);
  }
}
