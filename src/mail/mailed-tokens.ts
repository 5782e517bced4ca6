import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Queryable, type Transaction, Transactions } from '../database/transactions.js';
import type { Mail } from './mail.entity.js';
import type { TokenPurpose } from './mailed-token.entity.js';
import { LINKED_KINDS, purposeOf } from './mail-text.js';
import { TOKEN_LIFE_SECONDS } from './token-life.js';

const TOKEN_BYTES = 32;

/** Whom a mailed token speaks for. */
export interface TokenSubject {
  readonly purpose: TokenPurpose;
  readonly userId: string;
  /** The address it goes to, which whoever brings it back has proved to read. */
  readonly email: string;
  /** The session it tells of, or that asked for the change it confirms or undoes. */
  readonly sessionId: string | null;
}

/**
 * Whether a token counts, or may be made: SQL over `u`, its user. A change of address counts unless the session that
 * asked for it was taken away since; the links by which a former address takes its account back always do; everything
 * else while the account has the address it went to.
 */
const counts = (purpose: string, email: string, sessionId: string) => `(u.disabled_at IS NULL AND CASE ${purpose}
  WHEN 'email_change' THEN EXISTS (
    SELECT FROM sessions s WHERE s.id = ${sessionId} AND (s.revoked_at IS NULL OR s.revoked_reason = 'logout'))
  WHEN 'email_undo' THEN true
  WHEN 'disown' THEN true
  ELSE u.email = ${email}
END)`;

const GOOD = `t.token_hash = $1 AND t.purpose = ANY($2::text[]) AND t.expires_at > now()
  AND ${counts('t.purpose', 't.email', 't.session_id')}`;
const SUBJECT = `t.purpose, t.user_id AS "userId", t.email, t.session_id AS "sessionId"`;

/** Tokens that travel by mail: 32 random bytes, kept as a hash, good once and for their own purpose (ASVS 6.5.2). */
@Injectable()
export class MailedTokens {
  constructor(private readonly transactions: Transactions) {}

  /**
   * Makes the token of a mail that is about to be sent; only its hash is kept. Its life is counted from when the mail was
   * written. Null where the mail was withdrawn since, or no longer counts.
   *
   * The user's row is locked first: whatever withdraws mails and tokens holds it, so either this sees the mail gone, or
   * that sees the token.
   */
  mint({ id, userId, kind }: Pick<Mail, 'id' | 'userId' | 'kind'>): Promise<string | null> {
    const purpose = purposeOf({ kind });
    if (purpose === null) {
      return Promise.resolve(null);
    }
    return this.transactions.run(async (transaction) => {
      await transaction.query('SELECT FROM users WHERE id = $1 FOR SHARE', [userId]);
      const token = newToken();
      const made = await transaction.query<unknown[]>(
        `INSERT INTO mailed_tokens (token_hash, purpose, user_id, email, session_id, expires_at)
         SELECT $2, $3::text, u.id, m.recipient, m.session_id, life.ends_at
         FROM mails m JOIN users u ON u.id = m.user_id,
           LATERAL (SELECT m.created_at + make_interval(secs => $4::double precision) AS ends_at) life
         WHERE m.id = $1 AND life.ends_at > now() AND ${counts('$3::text', 'm.recipient', 'm.session_id')}
         RETURNING 1`,
        [id, hashOf(token), purpose, TOKEN_LIFE_SECONDS[purpose]],
      );
      return made.length > 0 ? token : null;
    });
  }

  /** Makes a token that is handed over at once. */
  async issue(transaction: Transaction, { purpose, userId, email, sessionId }: TokenSubject): Promise<string> {
    const token = newToken();
    await transaction.query(
      `INSERT INTO mailed_tokens (token_hash, purpose, user_id, email, session_id, expires_at)
       SELECT $1, $2, id, $4, $5, now() + make_interval(secs => $6::double precision) FROM users WHERE id = $3`,
      [hashOf(token), purpose, userId, email, sessionId, TOKEN_LIFE_SECONDS[purpose]],
    );
    return token;
  }

  /** Whom a token speaks for, without using it up. Null if it is unknown, used, expired, withdrawn or for another purpose. */
  async find(database: Queryable, token: string, purposes: readonly TokenPurpose[]): Promise<TokenSubject | null> {
    const [subject] = await database.query<TokenSubject[]>(
      `SELECT ${SUBJECT} FROM mailed_tokens t JOIN users u ON u.id = t.user_id WHERE ${GOOD}`,
      [hashOf(token), purposes],
    );
    return subject ?? null;
  }

  /**
   * Uses a token up, and answers as {@link find} does. Of parallel callers with one token, exactly one gets the subject.
   * The user's row stays locked until the transaction ends: what is changed on the word of a token passes one at a time
   * with what withdraws it.
   */
  async consume(
    transaction: Transaction,
    token: string,
    purposes: readonly TokenPurpose[],
  ): Promise<TokenSubject | null> {
    await transaction.query(
      'SELECT FROM users WHERE id = (SELECT user_id FROM mailed_tokens WHERE token_hash = $1) FOR NO KEY UPDATE',
      [hashOf(token)],
    );
    const [[subject]] = await transaction.query<[TokenSubject[], number]>(
      `DELETE FROM mailed_tokens t USING users u WHERE u.id = t.user_id AND ${GOOD} RETURNING ${SUBJECT}`,
      [hashOf(token), purposes],
    );
    return subject ?? null;
  }

  /** Withdraws every token and every unsent mail of a user who is about to be deleted. */
  async withdrawAll(transaction: Transaction, userId: string): Promise<void> {
    await transaction.query(
      `WITH unsent AS (DELETE FROM mails WHERE user_id = $1) DELETE FROM mailed_tokens WHERE user_id = $1`,
      [userId],
    );
  }

  /**
   * Withdraws whatever mailed link could still change an account, of mails that are not sent yet too (AC-01). What stays
   * are the links by which a former address takes its account back: somebody else may have it by now. The transaction must
   * have locked the user's row.
   */
  async withdrawPending(transaction: Transaction, userId: string): Promise<void> {
    const isOfFormer = (email: string) => `${email} IN (SELECT former FROM email_changes WHERE user_id = $1)`;
    await transaction.query(
      `WITH unsent AS (
         DELETE FROM mails WHERE user_id = $1 AND kind = ANY($2::text[])
           AND NOT (kind IN ('new_device', 'email_changed') AND ${isOfFormer('recipient')})
       )
       DELETE FROM mailed_tokens WHERE user_id = $1
         AND NOT (purpose IN ('disown', 'email_undo') AND ${isOfFormer('email')})`,
      [userId, LINKED_KINDS],
    );
  }

  /** Withdraws a user's tokens for these purposes, those of mails that are not sent yet included. */
  async withdraw(database: Queryable, userId: string, purposes: readonly TokenPurpose[]): Promise<void> {
    await database.query(
      `WITH unsent AS (DELETE FROM mails WHERE user_id = $1 AND kind = ANY($3::text[]))
       DELETE FROM mailed_tokens WHERE user_id = $1 AND purpose = ANY($2::text[])`,
      [userId, purposes, LINKED_KINDS.filter((kind) => purposes.some((purpose) => purpose === purposeOf({ kind })))],
    );
  }
}

const newToken = (): string => randomBytes(TOKEN_BYTES).toString('base64url');
const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();
