import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/config.js';
import { KeyCipher } from '../../keys/key-cipher.js';
import { KeyRotation } from '../../keys/key-rotation.js';
import { SIGNING_ALGORITHM, type SigningAlgorithm } from '../../keys/signing-key.js';

/** Encrypts what a receiver shares with us, under the id of the receiver, and has the keys published that sign for it. */
@Injectable()
export class ReceiverKeys extends KeyCipher {
  private readonly hasKeys: boolean;

  constructor(
    { jwtSecrets, jwtAlgorithm }: AppConfig,
    private readonly rotation: KeyRotation,
  ) {
    super(jwtSecrets, 'receivers');
    this.hasKeys = jwtAlgorithm === SIGNING_ALGORITHM;
  }

  /**
   * Before a receiver is to be sent what a key of this algorithm signs: from here on the key set has one. Nothing happens where
   * there is one, and under HS256, where there are none.
   */
  async publish(algorithm: SigningAlgorithm): Promise<void> {
    if (this.hasKeys) {
      await this.rotation.ensureFirst(algorithm);
    }
  }
}
