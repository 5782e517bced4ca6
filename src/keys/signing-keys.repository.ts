import { Injectable } from '@nestjs/common';
import sql, { raw } from 'sql-template-tag';
import { Database } from '../database/database.js';
import { ReservedConnections } from '../database/reserved-connections.js';
import { ACCEPTED_KEYS, acceptedKeyIds, type StoredKey } from './keys.sql.js';
import type { SigningAlgorithm } from './signing-key.js';

@Injectable()
export class SigningKeysRepository {
  constructor(
    private readonly reserved: ReservedConnections,
    private readonly database: Database,
  ) {}

  /**
   * Every key that is accepted. On the connections of session checks: a protected request whose key is not known yet waits
   * for it. It is short, and asked few times a second.
   */
  async listAccepted(): Promise<StoredKey[]> {
    const { rows } = await this.reserved.prepared<StoredKey>('accepted_keys', ACCEPTED_KEYS);
    return rows;
  }

  /** The time, and the ids of the keys of an algorithm that are accepted then. */
  async findMoment(algorithm: SigningAlgorithm): Promise<{ readonly readAt: Date; readonly keyIds: string }> {
    const { rows } = await this.database.query<{ readAt: Date; keyIds: string }>(
      sql`SELECT now() AS "readAt", ${raw(acceptedKeyIds(algorithm))} AS "keyIds"`,
    );
    return rows[0] ?? { readAt: new Date(), keyIds: '' };
  }
}
