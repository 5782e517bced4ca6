import { Injectable } from '@nestjs/common';
import type { QueryResultRow } from 'pg';
import sql, { type Sql } from 'sql-template-tag';
import { DataSource } from 'typeorm';
import { InjectOurDataSource } from './data-source.js';
import { poolOf, sendTo, transactionOn } from './pool.js';
import type { Answer, Queryable, Transaction } from './transaction.js';

/**
 * The one way to send SQL, composed with `sql` of sql-template-tag. What the database rolled back because of a conflict
 * runs again. Each method throws what the driver throws.
 */
@Injectable()
export class Database implements Queryable {
  constructor(@InjectOurDataSource() private readonly dataSource: DataSource) {}

  /** Runs one statement, as a transaction of its own. */
  query<Row extends QueryResultRow>({ text, values }: Sql): Promise<Answer<Row>> {
    return sendTo<Row>(poolOf(this.dataSource), { text, values });
  }

  /**
   * The same, for a statement sent so often that each connection parses and plans it once. A name stands for one text for
   * ever.
   */
  prepared<Row extends QueryResultRow>(name: string, { text, values }: Sql): Promise<Answer<Row>> {
    return sendTo<Row>(poolOf(this.dataSource), { name, text, values });
  }

  /**
   * Runs work in one transaction. Each statement sees what committed before it, whatever the server's default is: the
   * rules of sessions lock a row and then look. The work may run again, so it must do nothing but ask the transaction.
   * Throws what the work or the commit throws; then nothing was done.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return transactionOn(poolOf(this.dataSource), work);
  }

  /**
   * Waits until all that was read before is as safe as the server makes what it commits. A commit whose wait for the
   * standbys was cut off can be read and is not: before something is answered as done because it is so already, it must be.
   */
  async settle(): Promise<void> {
    // A record of no meaning in the log of the database: its commit waits for all that came before it.
    await this.query(sql`SELECT pg_logical_emit_message(true, 'latchkey', '')`);
  }
}
