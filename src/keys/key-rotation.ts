import { Injectable } from '@nestjs/common';
import sql from 'sql-template-tag';
import { AppConfig } from '../config/config.js';
import { Database } from '../database/database.js';
import { channelIn, lockIn } from '../database/schema-scope.js';
import type { Transaction } from '../database/transaction.js';
import { ACCEPTED_KEYS, type StoredKey } from './keys.sql.js';
import { KeyCipher } from './key-cipher.js';
import { type OpenedKey, openKeys } from './opened-keys.js';
import {
  algorithmsUsedBy,
  generateKeyOf,
  type KeyPair,
  SIGNING_ALGORITHMS,
  type SigningAlgorithm,
  writeKey,
} from './signing-key.js';

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
  readonly algorithm: SigningAlgorithm;
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

  /** Whether {@link ensure} would make a key of an algorithm, if these are all. */
  isDue(algorithm: SigningAlgorithm, keys: readonly OpenedKey[], now: Date): boolean {
    const newest = newestOf(keys, algorithm);
    // A release that knew one algorithm made a successor of that one, and let the keys of the other end with its own.
    return !newest || newest.acceptedUntil !== null || this.isOld(newest, now);
  }

  /** Makes the first key of an algorithm, or the next one where its time has come. */
  async ensure(algorithm: SigningAlgorithm): Promise<MadeKey | null> {
    // Before the turn: a key of RS256 may take a second, and others wait for the turn.
    const pair = await generateKeyOf(algorithm);
    return this.inTurn(async (turn) => {
      const { stored, keys, now } = turn;
      if (!newestOf(keys, algorithm)) {
        const isFirst = !stored.some((row) => row.algorithm === algorithm);
        return this.make(turn, pair, now, isFirst ? 'first' : 'secret_changed');
      }
      return this.isDue(algorithm, keys, now)
        ? this.make(turn, pair, plus(now, PUBLISHED_AHEAD_SECONDS), 'schedule')
        : null;
    });
  }

  /** Makes the first key of an algorithm where there is none, so that it is published before anything is signed with it. */
  async ensureFirst(algorithm: SigningAlgorithm): Promise<void> {
    const { rows } = await this.database.query<StoredKey>(ACCEPTED_KEYS);
    if (!rows.some((row) => row.algorithm === algorithm)) {
      await this.ensure(algorithm);
    }
  }

  /** Encrypts with the first secret what another one did. */
  encryptAnew(): Promise<void> {
    return this.inTurn(async ({ transaction, keys }) => {
      for (const key of keys.filter(({ isEncryptedByFirst }) => !isEncryptedByFirst)) {
        const encrypted = this.cipher.encrypt(key.id, writeKey(key));
        await transaction.query(sql`UPDATE signing_keys SET encrypted_key = ${encrypted} WHERE id = ${key.id}`);
      }
    });
  }

  /**
   * Makes the next key of each algorithm, which is published now and signs later. Returns them, and in the place of one the next one
   * that is published already. Of an algorithm where no secret of ours opens any key there is none: the instances have another
   * secret, or none of them has started yet.
   */
  async rotate(): Promise<(MadeKey & { readonly isNew: boolean })[]> {
    const pairs = await generateAll();
    return this.inTurn(async (turn) => {
      const { keys, now } = turn;
      const next: (MadeKey & { readonly isNew: boolean })[] = [];
      for (const pair of pairs) {
        const newest = newestOf(keys, pair.algorithm);
        if (newest && newest.signsFrom > now) {
          const { id, algorithm, signsFrom } = newest;
          next.push({ id, algorithm, signsFrom, reason: 'command', isNew: false });
        } else if (newest) {
          const made = await this.make(turn, pair, plus(now, PUBLISHED_AHEAD_SECONDS), 'command');
          next.push({ ...made, isNew: true });
        }
      }
      return next;
    });
  }

  /**
   * Revokes every key there is, and makes one in the place of each that signs at once: they leaked, or those that were revoked for that
   * are accepted again in a restored backup. Returns the ids of those revoked.
   */
  async replaceAll(
    reason: 'leaked' | 'backup_restored',
  ): Promise<{ readonly made: readonly MadeKey[]; readonly revoked: readonly string[] }> {
    const pairs = await generateAll();
    const done = await this.inTurn(async (turn) => {
      const revoked = turn.stored.map(({ id }) => id);
      await turn.transaction.query(sql`
        WITH revoked AS (
          UPDATE signing_keys SET accepted_until = '-infinity' WHERE id = ANY(${revoked}::text[]) RETURNING id
        )
        INSERT INTO audit_events (type, outcome, reason, note)
        SELECT 'signing_key_revoked', 'success', ${reason}, id FROM revoked`);
      const made: MadeKey[] = [];
      const used = algorithmsUsedBy(turn.stored);
      for (const pair of pairs.filter(({ algorithm }) => used.includes(algorithm))) {
        made.push(await this.make(turn, pair, turn.now, reason));
      }
      return { made, revoked };
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

  /** Every key of its algorithm before it is accepted until the last token that it signed is over, and verifiers have looked again. */
  private async make({ transaction }: Turn, pair: KeyPair, signsFrom: Date, reason: RotationReason): Promise<MadeKey> {
    const { id, algorithm } = pair;
    const formerUntil = plus(signsFrom, this.config.accessTokenTtlSeconds + PUBLISHED_AHEAD_SECONDS);
    await transaction.query(sql`
      WITH made AS (
        INSERT INTO signing_keys (id, algorithm, encrypted_key, signs_from)
        VALUES (${id}, ${algorithm}, ${this.cipher.encrypt(id, writeKey(pair))}, ${signsFrom})
      ), succeeded AS (
        UPDATE signing_keys SET accepted_until = ${formerUntil} WHERE accepted_until IS NULL AND algorithm = ${algorithm}
      )
      INSERT INTO audit_events (type, outcome, reason, note) VALUES ('signing_key_rotated', 'success', ${reason}, ${id})`);
    return { id, algorithm, signsFrom, reason };
  }

  private isOld({ signsFrom }: OpenedKey, now: Date): boolean {
    return plus(signsFrom, this.config.signingKeyTtlSeconds - PUBLISHED_AHEAD_SECONDS) <= now;
  }
}

const newestOf = (keys: readonly OpenedKey[], algorithm: SigningAlgorithm): OpenedKey | undefined =>
  keys.findLast((key) => key.algorithm === algorithm);

const generateAll = (): Promise<KeyPair[]> =>
  Promise.all(SIGNING_ALGORITHMS.map((algorithm) => generateKeyOf(algorithm)));

const plus = (time: Date, seconds: number): Date => new Date(time.getTime() + seconds * 1000);
