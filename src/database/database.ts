import { Injectable } from '@nestjs/common';
import type { QueryResultRow } from 'pg';
import type { Sql } from 'sql-template-tag';
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
}
