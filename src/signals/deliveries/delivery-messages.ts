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
  write(delivery: ClaimedDelivery): Promise<ReceiverMessage> | ReceiverMessage {
    switch (delivery.kind) {
      case 'webhook':
        return webhookOf(delivery, this.secretsOf(delivery), new Date());
      case 'backchannel_logout':
        return this.writeLogoutToken(delivery);
    }
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

  private secretsOf({ receiverId, encryptedSecret, formerSecret }: ClaimedDelivery): string[] {
    const secrets = [encryptedSecret, formerSecret]
      .filter((encrypted) => encrypted !== null)
      .map((encrypted) => this.cipher.decrypt(receiverId, encrypted)?.content.toString())
      .filter((secret) => secret !== undefined);
    if (secrets.length === 0) {
      throw new Error('its secret cannot be decrypted: JWT_SECRET is another one than when it was made');
    }
    return secrets;
  }
}
