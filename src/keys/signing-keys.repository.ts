import { Injectable } from '@nestjs/common';
import { ReservedConnections } from '../database/reserved-connections.js';
import { ACCEPTED_KEYS, type StoredKey } from './keys.sql.js';

@Injectable()
export class SigningKeysRepository {
  constructor(private readonly reserved: ReservedConnections) {}

  /**
   * Every key that is accepted. On the connections of session checks: a protected request whose key is not known yet waits
   * for it. It is short, and asked few times a second.
   */
  async listAccepted(): Promise<StoredKey[]> {
    const { rows } = await this.reserved.prepared<StoredKey>('accepted_keys', ACCEPTED_KEYS);
    return rows;
  }
}
