import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/config.js';
import { KeyCipher } from '../../keys/key-cipher.js';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

/** A new secret, as Standard Webhooks writes it. */
export const makeReceiverSecret = (): string => `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`;

/** The key that a secret stands for. */
export const keyOf = (secret: string): Buffer => Buffer.from(secret.slice(PREFIX.length), 'base64');

/** Encrypts what a receiver shares with us, under the id of the receiver. */
@Injectable()
export class ReceiverCipher extends KeyCipher {
  constructor({ jwtSecrets }: AppConfig) {
    super(jwtSecrets, 'receivers');
  }
}
