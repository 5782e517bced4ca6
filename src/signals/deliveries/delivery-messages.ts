import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/config.js';
import { issuerOf } from '../../config/issuer.js';
import { signJwtWith } from '../../keys/sign-jwt.js';
import { SIGNING_ALGORITHM } from '../../keys/signing-key.js';
import { SigningKeys } from '../../keys/signing-keys.js';
import { secondsOf } from '../../sessions/check/session-checker.js';
import { ReceiverKeys } from '../receivers/receiver-keys.js';
import type { ClaimedDelivery } from './deliveries.repository.js';
import { LOGOUT_TOKEN_TYPE, logoutClaims } from './logout-token.js';
import type { ReceiverMessage } from './receiver-post.js';
import { SECURITY_EVENT_TYPE, securityEventClaims } from './security-event.js';
import { webhookOf } from './webhook.js';

/** Writes a delivery as its receiver understands it, signed anew at each attempt. */
@Injectable()
export class DeliveryMessages {
  constructor(
    private readonly keys: SigningKeys,
    private readonly receiverKeys: ReceiverKeys,
    private readonly config: AppConfig,
  ) {}

  /** Throws where it cannot be signed. */
  async write(delivery: ClaimedDelivery): Promise<ReceiverMessage> {
    if (delivery.kind !== 'webhook' && this.config.jwtAlgorithm !== SIGNING_ALGORITHM) {
      throw new Error('there is no key to sign it with, since JWT_ALGORITHM is HS256');
    }
    switch (delivery.kind) {
      case 'webhook':
        return webhookOf(delivery, this.secretsOf(delivery), new Date());
      case 'backchannel_logout':
        return this.writeLogoutToken(delivery);
      case 'ssf_push':
        return this.writeSecurityEvent(delivery);
      case 'ssf_poll':
        break;
    }
    throw new Error('A stream that is polled is never sent anything.');
  }

  /** A test is about a user that there is not: a relying party verifies it as any other, and has nothing to end. */
  private async writeLogoutToken(delivery: ClaimedDelivery): Promise<ReceiverMessage> {
    const about = { ...delivery, userId: delivery.userId ?? delivery.id };
    const form = new URLSearchParams({ logout_token: await this.sign(about, LOGOUT_TOKEN_TYPE, logoutClaims) });
    return { contentType: 'application/x-www-form-urlencoded', headers: {}, body: form.toString() };
  }

  private async writeSecurityEvent(delivery: ClaimedDelivery): Promise<ReceiverMessage> {
    const authorization = delivery.encryptedAuthorization && this.decrypt(delivery, delivery.encryptedAuthorization);
    return {
      contentType: `application/${SECURITY_EVENT_TYPE}`,
      headers: { ...(authorization && { authorization }), accept: 'application/json' },
      body: await this.signSecurityEvent(delivery),
    };
  }

  /** A delivery as a security event token (RFC 8417). Throws as the keys do. */
  signSecurityEvent(delivery: ClaimedDelivery): Promise<string> {
    return this.sign(delivery, SECURITY_EVENT_TYPE, securityEventClaims);
  }

  /** With the key that signs now, of the algorithm that the receiver takes. */
  private async sign(
    delivery: ClaimedDelivery,
    type: string,
    claimsOf: typeof logoutClaims | typeof securityEventClaims,
  ): Promise<string> {
    const { key, readAt } = await this.keys.signingNow(delivery.algorithm);
    const about = { issuer: issuerOf(this.config), audience: delivery.audience, now: secondsOf(readAt) };
    return signJwtWith(key, type, claimsOf(delivery, about));
  }

  private decrypt({ receiverId }: ClaimedDelivery, encrypted: Buffer): string {
    const decrypted = this.receiverKeys.decrypt(receiverId, encrypted);
    if (!decrypted) {
      throw new Error('its secret cannot be decrypted: JWT_SECRET is another one than when it was made');
    }
    return decrypted.content.toString();
  }

  /**
   * The secret, and the one before while that signs too. One before that cannot be decrypted is left out: the receiver was given
   * another since JWT_SECRET is another one.
   */
  private secretsOf(delivery: ClaimedDelivery): string[] {
    const { encryptedSecret, formerSecret, receiverId } = delivery;
    if (!encryptedSecret) {
      throw new Error('it has no secret');
    }
    const former = formerSecret && this.receiverKeys.decrypt(receiverId, formerSecret)?.content.toString();
    return [this.decrypt(delivery, encryptedSecret), ...(former ? [former] : [])];
  }
}
