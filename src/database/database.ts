import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { QueryResultRow } from 'pg';
import type { Sql } from 'sql-template-tag';
import { DataSource } from 'typeorm';
import { poolOf } from './prepared-statements.js';
import { againIfRolledBack } from './rolled-back.js';
import { type Answer, type Transaction, Transactions } from './transactions.js';

/**
 * The one door to PostgreSQL for statements, composed with `sql` of sql-template-tag. Statements that the database rolled
 * back because of others run again. Each method throws what the driver throws.
 */
@Injectable()
export class Database {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  /** Runs one statement, as a transaction of its own. */
  async query<Row extends QueryResultRow>(statement: Sql): Promise<Answer<Row>> {
    const { rows, rowCount } = await againIfRolledBack(() =>
      poolOf(this.dataSource).query<Row>(statement.text, statement.values),
    );
    return { rows, rowCount: rowCount ?? 0 };
  }

  /** The same, for a statement asked so often that each connection parses and plans it once. A name stands for one text for ever. */
  async prepared<Row extends QueryResultRow>(name: string, { text, values }: Sql): Promise<Answer<Row>> {
    const { rows, rowCount } = await againIfRolledBack(() =>
      poolOf(this.dataSource).query<Row>({ name, text, values }),
    );
    return { rows, rowCount: rowCount ?? 0 };
  }

  /** See {@link Transactions.run}. */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.transactions.run(work);
  }
}
