import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Queryable } from '../database/transactions.js';
import type { TokenPurpose } from './mailed-token.entity.js';

const TOKEN_BYTES = 32;
const MINUTE_SECONDS = 60;
const DAY_SECONDS = 86_400;

// Reset and verification live half an hour (NIST SP 800-63B-4); the "this was not me" of a mail is read later.
const LIFE_SECONDS: Readonly<Record<TokenPurpose, number>> = {
  password_reset: 30 * MINUTE_SECONDS,
  email_verification: 30 * MINUTE_SECONDS,
  email_change: 30 * MINUTE_SECONDS,
  disown: 7 * DAY_SECONDS,
};

/** Whom a mailed token speaks for. */
export interface TokenSubject {
  readonly purpose: TokenPurpose;
  readonly userId: string;
  /** The address it goes to, which whoever brings it back has proved to read. */
  readonly email: string;
  readonly sessionId: string | null;
}

/** Tokens that travel by mail: 32 random bytes, kept as a hash, good once and for their own purpose (ASVS 6.5.2). */
@Injectable()
export class MailedTokens {
  /** Makes a token; only its hash is kept. */
  async issue(database: Queryable, { purpose, userId, email, sessionId }: TokenSubject): Promise<string> {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    await database.query(
      `INSERT INTO mailed_tokens (token_hash, purpose, user_id, email, session_id, expires_at)
       SELECT $1, $2, id, $4, $5, now() + make_interval(secs => $6::double precision) FROM users WHERE id = $3`,
      [hashOf(token), purpose, userId, email, sessionId, LIFE_SECONDS[purpose]],
    );
    return token;
  }

  /** Whom a token speaks for, without using it up. Null if it is unknown, used, expired or for another purpose. */
  async find(database: Queryable, token: string, purposes: readonly TokenPurpose[]): Promise<TokenSubject | null> {
    const [subject] = await database.query<TokenSubject[]>(
      `SELECT purpose, user_id AS "userId", email, session_id AS "sessionId" FROM mailed_tokens
       WHERE token_hash = $1 AND purpose = ANY($2::text[]) AND expires_at > now()`,
      [hashOf(token), purposes],
    );
    return subject ?? null;
  }

  /** Uses a token up, and answers as {@link find} does. Of parallel callers with one token, exactly one gets the subject. */
  async consume(database: Queryable, token: string, purposes: readonly TokenPurpose[]): Promise<TokenSubject | null> {
    const [[subject]] = await database.query<[TokenSubject[], number]>(
      `DELETE FROM mailed_tokens
       WHERE token_hash = $1 AND purpose = ANY($2::text[]) AND expires_at > now()
       RETURNING purpose, user_id AS "userId", email, session_id AS "sessionId"`,
      [hashOf(token), purposes],
    );
    return subject ?? null;
  }

  /** Withdraws every token and every unsent mail of a user. */
  async withdrawAll(database: Queryable, userId: string): Promise<void> {
    await database.query(
      `WITH unsent AS (DELETE FROM mails WHERE user_id = $1) DELETE FROM mailed_tokens WHERE user_id = $1`,
      [userId],
    );
  }

  /** Withdraws a user's tokens for these purposes, those of mails that are not sent yet included. */
  async withdraw(database: Queryable, userId: string, purposes: readonly TokenPurpose[]): Promise<void> {
    await database.query(
      // A mail is named for what its token is for, but for the one that offers a reset beside.
      `WITH unsent AS (
         DELETE FROM mails WHERE user_id = $1
           AND CASE kind WHEN 'account_exists' THEN 'password_reset' ELSE kind END = ANY($2::text[])
       )
       DELETE FROM mailed_tokens WHERE user_id = $1 AND purpose = ANY($2::text[])`,
      [userId, purposes],
    );
  }
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();
