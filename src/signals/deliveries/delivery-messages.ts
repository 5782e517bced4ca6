import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/config.js';
import { issuerOf } from '../../config/issuer.js';
import { KeyCipher } from '../../keys/key-cipher.js';
import { signJwt } from '../../keys/sign-jwt.js';
import { SIGNING_ALGORITHM } from '../../keys/signing-key.js';
import { SigningKeys } from '../../keys/signing-keys.js';
import { secondsOf } from '../../sessions/check/session-checker.js';
import type { ClaimedDelivery } from './deliveries.repository.js';
import { TEST_EVENT } from './delivery.entity.js';
import { LOGOUT_TOKEN_TYPE, logoutClaims } from './logout-token.js';
import type { ReceiverMessage } from './receiver-post.js';
import { SECURITY_EVENT_TYPE, securityEventClaims } from '../shared-signals/security-event.js';
import { webhookOf } from './webhook.js';

/** Writes a delivery as its receiver understands it, signed anew at each attempt. */
@Injectable()
export class DeliveryMessages {
  private readonly cipher: KeyCipher;

  constructor(
    private readonly keys: SigningKeys,
    private readonly config: AppConfig,
  ) {
    this.cipher = new KeyCipher(config.jwtSecrets, 'receivers');
  }

  /** Throws where it cannot be signed. */
  async write(delivery: ClaimedDelivery): Promise<ReceiverMessage> {
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

  /** A test has no subject: it is a form without a token, which a receiver has to refuse. */
  private async writeLogoutToken(delivery: ClaimedDelivery): Promise<ReceiverMessage> {
    const { key, readAt } = await this.keys.signingNow();
    const about = { issuer: issuerOf(this.config), audience: delivery.audience, now: secondsOf(readAt) };
    const header = { alg: SIGNING_ALGORITHM, typ: LOGOUT_TOKEN_TYPE, kid: key.id } as const;
    const form = new URLSearchParams(
      delivery.event === TEST_EVENT
        ? {}
        : { logout_token: signJwt(header, logoutClaims(delivery, about), key.privateKey) },
    );
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
  async signSecurityEvent(delivery: ClaimedDelivery): Promise<string> {
    const { key, readAt } = await this.keys.signingNow();
    const about = { issuer: issuerOf(this.config), audience: delivery.audience, now: secondsOf(readAt) };
    const header = { alg: SIGNING_ALGORITHM, typ: SECURITY_EVENT_TYPE, kid: key.id } as const;
    return signJwt(header, securityEventClaims(delivery, about), key.privateKey);
  }

  private decrypt({ receiverId }: ClaimedDelivery, encrypted: Buffer): string {
    const decrypted = this.cipher.decrypt(receiverId, encrypted);
    if (!decrypted) {
      throw new Error('its secret cannot be decrypted: JWT_SECRET is another one than when it was made');
    }
    return decrypted.content.toString();
  }

  private secretsOf(delivery: ClaimedDelivery): string[] {
    return [delivery.encryptedSecret, delivery.formerSecret]
      .filter((encrypted) => encrypted !== null)
      .map((encrypted) => this.decrypt(delivery, encrypted));
  }
}
