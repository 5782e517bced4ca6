import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/config.js';
import { acceptedTypes } from '../../http/accepted-types.js';
import { signJwt } from '../../keys/sign-jwt.js';
import { SIGNING_ALGORITHM } from '../../keys/signing-key.js';
import { SigningKeys } from '../../keys/signing-keys.js';
import { secondsOf } from '../../sessions/check/session-checker.js';
import { issuerOf } from '../../config/issuer.js';
import type { IntrospectionDto } from './introspection.dto.js';
import { SignedAnswersError } from './introspection.errors.js';

const JSON_TYPE = 'application/json';
const TYPE = 'token-introspection+jwt';

export const SIGNED_INTROSPECTION = `application/${TYPE}`;

/** Answers as JWTs (RFC 9701), which the service that asked can keep as evidence. */
@Injectable()
export class SignedIntrospection {
  constructor(
    private readonly keys: SigningKeys,
    private readonly config: AppConfig,
  ) {}

  /**
   * Whether an Accept header asks for a signed answer. Where there are no keys that others can verify with, none does, and one that
   * takes nothing else throws {@link SignedAnswersError}.
   */
  isAskedFor(accept: string | undefined): boolean {
    const accepted = acceptedTypes(accept, [JSON_TYPE, SIGNED_INTROSPECTION]);
    if (accepted[0] !== SIGNED_INTROSPECTION || this.config.jwtAlgorithm === SIGNING_ALGORITHM) {
      return accepted[0] === SIGNED_INTROSPECTION;
    }
    if (!accepted.includes(JSON_TYPE)) {
      throw new SignedAnswersError();
    }
    return false;
  }

  /** Signs an answer for one client, with the key that signs after its request arrived. Throws as the keys do. */
  async sign(answer: IntrospectionDto, { id: clientId }: { readonly id: string }): Promise<string> {
    const { key, readAt } = await this.keys.signingNow();
    // No `sub` and no `exp`, so that it is never taken for an access token (RFC 9701, section 5).
    const claims = {
      token_introspection: answer,
      iss: issuerOf(this.config),
      aud: clientId,
      iat: secondsOf(readAt),
    };
    return signJwt({ alg: SIGNING_ALGORITHM, typ: TYPE, kid: key.id }, claims, key.privateKey);
  }
}
