import { Injectable } from '@nestjs/common';
import type { Queryable } from '../database/transactions.js';
import type { MailDetails, MailKind } from './mail.entity.js';

export interface NewMail {
  readonly kind: MailKind;
  readonly recipient: string;
  readonly userId: string;
  readonly sessionId?: string;
  readonly details?: MailDetails;
}

/**
 * What is to be mailed, written together with what it tells: neither is ever there without the other. Any instance
 * sends it later; a mail server that is away blocks and loses nothing.
 */
@Injectable()
export class Outbox {
  async add(database: Queryable, { kind, recipient, userId, sessionId, details = {} }: NewMail): Promise<void> {
    await database.query(
      `INSERT INTO mails (kind, recipient, user_id, session_id, details) VALUES ($1, $2, $3, $4, $5)`,
      [kind, recipient, userId, sessionId ?? null, JSON.stringify(details)],
    );
  }

  /** Adds a mail, unless the recipient's address is that of an account. */
  async addUnlessTaken(database: Queryable, { kind, recipient, userId, sessionId }: NewMail): Promise<void> {
    await database.query(
      `INSERT INTO mails (kind, recipient, user_id, session_id)
       SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM users WHERE email = $2)`,
      [kind, recipient, userId, sessionId ?? null],
    );
  }

  /**
   * Adds a mail to whoever has an address. The id of that user, or null if nobody has it: the same statement either way,
   * so that it takes as long.
   */
  async addFor(database: Queryable, kind: MailKind, email: string): Promise<string | null> {
    const [added] = await database.query<{ userId: string }[]>(
      `INSERT INTO mails (kind, recipient, user_id)
       SELECT $1, u.email, u.id FROM users u WHERE u.email = $2 AND u.disabled_at IS NULL
       RETURNING user_id AS "userId"`,
      [kind, email],
    );
    return added?.userId ?? null;
  }
}
