import { Injectable } from '@nestjs/common';
import sql from 'sql-template-tag';
import { Database } from '../database/database.js';

// Shown to people, who need no exact number beyond it.
const COUNTED_MOST = 10_000;

/** The mails that are not sent yet. Without a mail server they only grow. */
@Injectable()
export class MailBacklog {
  constructor(private readonly database: Database) {}

  /** How many, ten thousand at most, and how old the oldest is: 0 where there is none. Throws what the driver throws. */
  async find(): Promise<{ count: number; oldestSeconds: number }> {
    const { rows } = await this.database.query<{ count: number; oldestSeconds: number }>(
      sql`SELECT (SELECT count(*) FROM (SELECT FROM mails LIMIT ${COUNTED_MOST}) counted)::integer AS count,
            coalesce((SELECT extract(epoch FROM now() - min(created_at)) FROM mails), 0)::double precision
              AS "oldestSeconds"`,
    );
    return rows[0] ?? { count: 0, oldestSeconds: 0 };
  }
}
