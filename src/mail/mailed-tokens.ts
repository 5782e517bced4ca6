import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import { Database } from '../database/database.js';
import { IS_IN_OPEN_INCIDENT } from '../database/open-incidents.sql.js';
import type { Queryable, Transaction } from '../database/transaction.js';
import type { Mail } from './mail.entity.js';
import type { TokenPurpose } from './mailed-token.entity.js';
import { LINKED_KINDS, purposeOf } from './mail-kinds.js';
import { TOKEN_LIFE_SECONDS } from './token-life.js';

const TOKEN_BYTES = 32;

/** What a mailed token is for, and of which user. */
export interface TokenSubject {
  readonly purpose: TokenPurpose;
  readonly userId: string;
  /** The address it goes to, which the one who presents it has proved to read. */
  readonly email: string;
  /** The session it is about, or that asked for the change it confirms or undoes. */
  readonly sessionId: string | null;
}

/** A token that was looked up, and until when it is good. */
export interface FoundToken extends TokenSubject {
  readonly expiresAt: Date;
  /** Whether the address is that of the account, and confirmed. Until then a stranger may have given it. */
  readonly isConfirmed: boolean;
}

/**
 * Whether a token counts, or may be made: SQL over `u`, its user. A change of address counts unless the session that
 * asked for it was revoked since; the links by which a former address takes its account back always do; everything
 * else while the account has the address it went to.
 */
const counts = ({
  purpose,
  email,
  sessionId,
}: Record<'purpose' | 'email' | 'sessionId', Sql>) => sql`(u.disabled_at IS NULL
  AND CASE ${purpose}
  WHEN 'email_change' THEN EXISTS (
    SELECT FROM sessions s WHERE s.id = ${sessionId} AND (s.revoked_at IS NULL OR s.revoked_reason = 'logout')
      AND NOT ${IS_IN_OPEN_INCIDENT})
  WHEN 'email_undo' THEN true
  WHEN 'disown' THEN true
  ELSE u.email = ${email}
END)`;

const isGood = (token: string, purposes: readonly TokenPurpose[]) => sql`t.token_hash = ${hashOf(token)}
  AND t.purpose = ANY(${purposes}::text[]) AND t.expires_at > now()
  AND ${counts({ purpose: sql`t.purpose`, email: sql`t.email`, sessionId: sql`t.session_id` })}`;
const SUBJECT = sql`t.purpose, t.user_id AS "userId", t.email, t.session_id AS "sessionId"`;

/** Tokens that travel by mail: 32 random bytes, kept as a hash, good once and for their own purpose (ASVS 6.5.2). */
@Injectable()
export class MailedTokens {
  constructor(private readonly database: Database) {}

  /**
   * Makes the token of a mail that is about to be sent; only its hash is kept. Its life is counted from when the mail was
   * written. Null where the mail was withdrawn since, or no longer counts.
   *
   * The user's row is locked first: a transaction that withdraws mails and tokens holds it, so either this sees the mail
   * gone, or that sees the token.
   */
  mint({ id, userId, kind }: Pick<Mail, 'id' | 'userId' | 'kind'>): Promise<string | null> {
    const purpose = purposeOf({ kind });
    if (purpose === null) {
      return Promise.resolve(null);
    }
    return this.database.transaction(async (transaction) => {
      await transaction.query(sql`SELECT FROM users WHERE id = ${userId} FOR SHARE`);
      const token = newToken();
      const isGoodYet = counts({
        purpose: sql`${purpose}::text`,
        email: sql`m.recipient`,
        sessionId: sql`m.session_id`,
      });
      const { rowCount } = await transaction.query(
        sql`INSERT INTO mailed_tokens (token_hash, purpose, user_id, email, session_id, expires_at)
            SELECT ${hashOf(token)}, ${purpose}::text, u.id, m.recipient, m.session_id, life.ends_at
            FROM mails m JOIN users u ON u.id = m.user_id,
              LATERAL (SELECT m.created_at + ${lifeOf(purpose)} AS ends_at) life
            WHERE m.id = ${id} AND life.ends_at > now() AND ${isGoodYet}`,
      );
      return rowCount > 0 ? token : null;
    });
  }

  /** Makes a token that is answered at once. */
  async issue(transaction: Transaction, { purpose, userId, email, sessionId }: TokenSubject): Promise<string> {
    const token = newToken();
    await transaction.query(
      sql`INSERT INTO mailed_tokens (token_hash, purpose, user_id, email, session_id, expires_at)
          SELECT ${hashOf(token)}, ${purpose}, id, ${email}, ${sessionId}, now() + ${lifeOf(purpose)}
          FROM users WHERE id = ${userId}`,
    );
    return token;
  }

  /** What a token is for, without using it up. Null if it is unknown, used, expired, withdrawn or for another purpose. */
  async find(database: Queryable, token: string, purposes: readonly TokenPurpose[]): Promise<FoundToken | null> {
    const { rows } = await database.query<FoundToken>(
      sql`SELECT ${SUBJECT}, t.expires_at AS "expiresAt",
            t.email = u.email AND u.email_verified_at IS NOT NULL AS "isConfirmed"
          FROM mailed_tokens t JOIN users u ON u.id = t.user_id WHERE ${isGood(token, purposes)}`,
    );
    return rows[0] ?? null;
  }

  /**
   * Uses a token up, and answers as {@link find} does. Of parallel callers with one token, exactly one gets the subject.
   * The user's row stays locked until the transaction ends: a change made with a token and the withdrawal of it wait for
   * each other.
   */
  async consume(
    transaction: Transaction,
    token: string,
    purposes: readonly TokenPurpose[],
  ): Promise<TokenSubject | null> {
    await transaction.query(
      sql`SELECT FROM users WHERE id = (SELECT user_id FROM mailed_tokens WHERE token_hash = ${hashOf(token)})
          FOR NO KEY UPDATE`,
    );
    const { rows } = await transaction.query<TokenSubject>(
      sql`DELETE FROM mailed_tokens t USING users u
          WHERE u.id = t.user_id AND ${isGood(token, purposes)} RETURNING ${SUBJECT}`,
    );
    return rows[0] ?? null;
  }

  /** Withdraws every token and every unsent mail of a user who is about to be deleted. */
  async withdrawAll(transaction: Transaction, userId: string): Promise<void> {
    await transaction.query(
      sql`WITH unsent AS (DELETE FROM mails WHERE user_id = ${userId})
          DELETE FROM mailed_tokens WHERE user_id = ${userId}`,
    );
  }

  /**
   * Withdraws every mailed link that could still change an account, of mails that are not sent yet too (AC-01). What stays
   * are the links by which a former address takes its account back: another person may have the account by now. The
   * transaction must have locked the user's row.
   */
  async withdrawPending(transaction: Transaction, userId: string): Promise<void> {
    await transaction.query(sql`WITH ${withdrawalSteps((column) => sql`${column} = ${userId}`)} SELECT`);
  }

  /**
   * Does the same for all users: in a restored backup, links that were used or withdrawn since work again. Returns how many
   * tokens and unsent mails that were. No mail is sent meanwhile, so that none gets a token.
   */
  withdrawPendingOfAll(): Promise<number> {
    return this.database.transaction(async (transaction) => {
      await transaction.query(sql`LOCK TABLE mails, mailed_tokens IN SHARE ROW EXCLUSIVE MODE`);
      const { rows } = await transaction.query<{ count: number }>(
        sql`WITH ${withdrawalSteps(() => sql`true`)}
            SELECT ((SELECT count(*) FROM unsent) + (SELECT count(*) FROM withdrawn))::integer AS count`,
      );
      return rows[0]?.count ?? 0;
    });
  }

  /** Withdraws a user's tokens for these purposes, those of mails that are not sent yet included. */
  async withdraw(database: Queryable, userId: string, purposes: readonly TokenPurpose[]): Promise<void> {
    const kinds = LINKED_KINDS.filter((kind) => purposes.some((purpose) => purpose === purposeOf({ kind })));
    await database.query(
      sql`WITH unsent AS (DELETE FROM mails WHERE user_id = ${userId} AND kind = ANY(${kinds}::text[]))
          DELETE FROM mailed_tokens WHERE user_id = ${userId} AND purpose = ANY(${purposes}::text[])`,
    );
  }
}

/** @param isTheirs whether a column with the id of a user is that of one whose links are withdrawn */
const withdrawalSteps = (isTheirs: (column: Sql) => Sql): Sql => {
  const isFormer = (user: Sql, email: Sql) =>
    sql`EXISTS (SELECT FROM email_changes c WHERE c.user_id = ${user} AND c.former = ${email})`;
  return sql`unsent AS (
      DELETE FROM mails m WHERE ${isTheirs(sql`m.user_id`)} AND m.kind = ANY(${LINKED_KINDS}::text[])
        AND NOT (m.kind IN ('new_device', 'email_changed') AND ${isFormer(sql`m.user_id`, sql`m.recipient`)})
      RETURNING 1
    ), withdrawn AS (
      DELETE FROM mailed_tokens t WHERE ${isTheirs(sql`t.user_id`)}
        AND NOT (t.purpose IN ('disown', 'email_undo') AND ${isFormer(sql`t.user_id`, sql`t.email`)})
      RETURNING 1
    )`;
};

const lifeOf = (purpose: TokenPurpose): Sql =>
  sql`make_interval(secs => ${TOKEN_LIFE_SECONDS[purpose]}::double precision)`;
const newToken = (): string => randomBytes(TOKEN_BYTES).toString('base64url');
const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();
