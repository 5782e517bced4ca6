import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';

// A number for people: nobody needs to count further.
const COUNTED_MOST = 10_000;

/** The mails that are not sent yet. Without a way out they only grow. */
@Injectable()
export class MailBacklog {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** How many, ten thousand at most, and how old the oldest is: 0 where there is none. Throws what the driver throws. */
  async find(): Promise<{ count: number; oldestSeconds: number }> {
    const [row] = await this.dataSource.query<{ count: number; oldestSeconds: number }[]>(
      `SELECT (SELECT count(*) FROM (SELECT FROM mails LIMIT $1) counted)::integer AS count,
         coalesce((SELECT extract(epoch FROM now() - min(created_at)) FROM mails), 0)::double precision AS "oldestSeconds"`,
      [COUNTED_MOST],
    );
    return row ?? { count: 0, oldestSeconds: 0 };
  }
}
