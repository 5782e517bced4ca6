import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import type { Queryable } from '../database/transaction.js';
import type { MailDetails, MailKind } from './mail.entity.js';

export interface NewMail {
  readonly kind: MailKind;
  readonly recipient: string;
  readonly userId: string;
  readonly sessionId?: string;
  readonly details?: MailDetails;
}

/** What a mail to the address of a user `u` must know of them when it is written: `language` and `is_confirmed`. */
export const READER = sql`u.language, u.email_verified_at IS NOT NULL`;

/** The same for a mail to an address that may be another one. */
const readerAt = (recipient: string): Sql =>
  sql`u.language, u.email = ${recipient} AND u.email_verified_at IS NOT NULL`;

/**
 * What is to be mailed, written in the transaction of what it is about: neither is ever there without the other. Any
 * instance sends it later; a mail server that is down blocks and loses nothing.
 */
@Injectable()
export class Outbox {
  /** Adds a mail to a user; none, where there is no such user any more. */
  async add(database: Queryable, { kind, recipient, userId, sessionId, details = {} }: NewMail): Promise<void> {
    await database.query(
      sql`INSERT INTO mails (kind, recipient, user_id, session_id, details, language, is_confirmed)
          SELECT ${kind}, ${recipient}, ${userId}::uuid, ${sessionId}::uuid, ${JSON.stringify(details)}::jsonb,
            ${readerAt(recipient)} FROM users u WHERE u.id = ${userId}`,
    );
  }

  /** Adds a mail, unless the recipient's address is that of an account. */
  async addUnlessTaken(database: Queryable, { kind, recipient, userId, sessionId }: NewMail): Promise<void> {
    await database.query(
      sql`INSERT INTO mails (kind, recipient, user_id, session_id, language, is_confirmed)
          SELECT ${kind}, ${recipient}, u.id, ${sessionId}::uuid, ${readerAt(recipient)}
          FROM users u WHERE u.id = ${userId} AND NOT EXISTS (SELECT FROM users WHERE email = ${recipient})`,
    );
  }

  /**
   * Adds a mail to the user who has an address. The id of that user, or null if there is none: the same statement either
   * way, so that it takes as long.
   */
  async addFor(database: Queryable, kind: MailKind, email: string): Promise<string | null> {
    const { rows } = await database.query<{ userId: string }>(
      sql`INSERT INTO mails (kind, recipient, user_id, language, is_confirmed)
          SELECT ${kind}, u.email, u.id, ${READER} FROM users u WHERE u.email = ${email} AND u.disabled_at IS NULL
          RETURNING user_id AS "userId"`,
    );
    return rows[0]?.userId ?? null;
  }
}
