import { Injectable } from '@nestjs/common';
import sql from 'sql-template-tag';
import { AppConfig } from '../config/config.js';
import { Database } from '../database/database.js';
import { channelIn, lockIn } from '../database/schema-scope.js';
import type { Transaction } from '../database/transaction.js';
import { ACCEPTED_KEYS, type StoredKey } from './keys.sql.js';
import { KeyCipher } from './key-cipher.js';
import { type OpenedKey, openKeys } from './opened-keys.js';
import { generateKey, writeKey } from './signing-key.js';

// Any number will do, as long as it is ours and never changes.
const LOCK = 5_284_202;
/** How long a key is published before it signs: twice as long as verifiers keep what was published. */
const PUBLISHED_AHEAD_SECONDS = 1200;

/** Where instances are notified that a key was revoked. */
export const KEYS_CHANNEL = 'latchkey_keys';

/** Why a key was made: there was none, no secret opens those there are, its time has come, or a person asked, for a reason. */
export type RotationReason = 'first' | 'secret_changed' | 'schedule' | 'command' | 'leaked' | 'backup_restored';

export interface MadeKey {
  readonly id: string;
  readonly signsFrom: Date;
  readonly reason: RotationReason;
}

/** One instance at a time, with the keys as they are. */
interface Turn {
  readonly transaction: Transaction;
  readonly stored: readonly StoredKey[];
  readonly keys: readonly OpenedKey[];
  readonly now: Date;
}

/**
 * Makes, rotates and revokes signing keys. Each is one transaction, and all instances take turns, so that those which start
 * or find a key old at the same moment make one key. It stands in the audit trail.
 */
@Injectable()
export class KeyRotation {
  private readonly cipher: KeyCipher;

  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
  ) {
    this.cipher = new KeyCipher(config.jwtSecrets);
  }

  /** Whether {@link ensure} would do something, if these are all. */
  isDue(keys: readonly OpenedKey[], now: Date): boolean {
    const newest = keys.at(-1);
    return !newest || this.isOld(newest, now) || keys.some(({ isEncryptedByFirst }) => !isEncryptedByFirst);
  }

  /** Makes the first key, or the next one where its time has come, and encrypts with the first secret what another one did. */
  ensure(): Promise<MadeKey | null> {
    return this.inTurn(async (turn) => {
      const { transaction, stored, keys, now } = turn;
      for (const key of keys.filter(({ isEncryptedByFirst }) => !isEncryptedByFirst)) {
        const encrypted = this.cipher.encrypt(key.id, writeKey(key));
        await transaction.query(sql`UPDATE signing_keys SET encrypted_key = ${encrypted} WHERE id = ${key.id}`);
      }
      const newest = keys.at(-1);
      if (!newest) {
        return this.make(turn, now, stored.length === 0 ? 'first' : 'secret_changed');
      }
      if (!this.isOld(newest, now)) {
        return null;
      }
      return this.make(turn, plus(now, PUBLISHED_AHEAD_SECONDS), 'schedule');
    });
  }

  /**
   * Makes the next key, which is published now and signs later. Returns the one that is published already, if there is one,
   * and null where no secret of ours opens any: the instances have another one, or none of them has started yet.
   */
  rotate(): Promise<(MadeKey & { readonly isNew: boolean }) | null> {
    return this.inTurn(async (turn) => {
      const { keys, now } = turn;
      const newest = keys.at(-1);
      if (!newest) {
        return null;
      }
      if (newest.signsFrom > now) {
        return { id: newest.id, signsFrom: newest.signsFrom, reason: 'command', isNew: false };
      }
      return { ...(await this.make(turn, plus(now, PUBLISHED_AHEAD_SECONDS), 'command')), isNew: true };
    });
  }

  /**
   * Revokes every key there is, and makes one that signs at once: they leaked, or those that were revoked for that are accepted
   * again in a restored backup. Returns the ids of those revoked.
   */
  async replaceAll(
    reason: 'leaked' | 'backup_restored',
  ): Promise<{ readonly made: MadeKey; readonly revoked: readonly string[] }> {
    const done = await this.inTurn(async (turn) => {
      const revoked = turn.stored.map(({ id }) => id);
      await turn.transaction.query(sql`
        WITH revoked AS (
          UPDATE signing_keys SET accepted_until = '-infinity' WHERE id = ANY(${revoked}::text[]) RETURNING id
        )
        INSERT INTO audit_events (type, outcome, reason, note)
        SELECT 'signing_key_revoked', 'success', ${reason}, id FROM revoked`);
      return { made: await this.make(turn, turn.now, reason), revoked };
    });
    // For what is open. It may fail: no request is decided by it.
    const channel = channelIn(this.config.databaseSchema, KEYS_CHANNEL);
    await this.database.query(sql`SELECT pg_notify(${channel}, '[]')`).catch(() => undefined);
    return done;
  }

  private inTurn<T>(work: (turn: Turn) => Promise<T>): Promise<T> {
    return this.database.transaction(async (transaction) => {
      await transaction.query(sql`SELECT pg_advisory_xact_lock(${lockIn(this.config.databaseSchema, LOCK)})`);
      const { rows: clock } = await transaction.query<{ now: Date }>(sql`SELECT clock_timestamp() AS now`);
      const { rows: stored } = await transaction.query<StoredKey>(ACCEPTED_KEYS);
      return work({ transaction, stored, keys: openKeys(this.cipher, stored).keys, now: clock[0]?.now ?? new Date() });
    });
  }

  /** Every key before it is accepted until the last token that it signed is over, and verifiers have looked again. */
  private async make({ transaction }: Turn, signsFrom: Date, reason: RotationReason): Promise<MadeKey> {
    const key = generateKey();
    const formerUntil = plus(signsFrom, this.config.accessTokenTtlSeconds + PUBLISHED_AHEAD_SECONDS);
    await transaction.query(sql`
      WITH made AS (
        INSERT INTO signing_keys (id, encrypted_key, signs_from)
        VALUES (${key.id}, ${this.cipher.encrypt(key.id, writeKey(key))}, ${signsFrom})
      ), succeeded AS (
        UPDATE signing_keys SET accepted_until = ${formerUntil} WHERE accepted_until IS NULL
      )
      INSERT INTO audit_events (type, outcome, reason, note) VALUES ('signing_key_rotated', 'success', ${reason}, ${key.id})`);
    return { id: key.id, signsFrom, reason };
  }

  private isOld({ signsFrom }: OpenedKey, now: Date): boolean {
    return plus(signsFrom, this.config.signingKeyTtlSeconds - PUBLISHED_AHEAD_SECONDS) <= now;
  }
}

const plus = (time: Date, seconds: number): Date => new Date(time.getTime() + seconds * 1000);
