import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { QueryResultRow } from 'pg';
import { Sql } from 'sql-template-tag';
import { DataSource, type EntityManager, type QueryRunner } from 'typeorm';
import { againIfRolledBack } from './rolled-back.js';

/** What a statement brought. */
export interface Answer<Row> {
  readonly rows: Row[];
  /** How many rows it returned or changed. */
  readonly rowCount: number;
}

/** Where a statement can be sent: the pool, or a transaction under way. */
export type Queryable = Pick<EntityManager, 'query'>;

/** One transaction under way. What the world may know of it waits for its commit. */
export class Transaction {
  private readonly news: (() => void)[] = [];

  constructor(private readonly manager: EntityManager) {}

  private get runner(): QueryRunner {
    if (!this.manager.queryRunner) {
      throw new Error('There is no transaction under way.');
    }
    return this.manager.queryRunner;
  }

  query<Row extends QueryResultRow>(statement: Sql): Promise<Answer<Row>>;
  query<T>(sql: string, parameters?: unknown[]): Promise<T>;
  async query(statement: Sql | string, parameters?: unknown[]): Promise<unknown> {
    if (!(statement instanceof Sql)) {
      return this.manager.query<unknown>(statement, parameters);
    }
    const { raw, records, affected } = await this.runner.query(statement.text, statement.values, true);
    const rows: unknown[] = records ?? (Array.isArray(raw) ? raw : []);
    return { rows, rowCount: affected ?? rows.length };
  }

  afterCommit(tell: () => void): void {
    this.news.push(tell);
  }

  tellNews(): void {
    for (const tell of this.news) {
      tell();
    }
  }
}

/** Runs what must happen wholly or not at all. */
@Injectable()
export class Transactions {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /**
   * Runs work in one transaction. Each statement sees what committed before it, whatever the server's default is: the
   * rules of sessions lock a row and then look. Work that the database rolled back because of others runs again, so it
   * must do nothing but ask the transaction. Throws what the work or the commit throws; then nothing was done.
   */
  async run<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const done = await againIfRolledBack(() =>
      this.dataSource.transaction('READ COMMITTED', async (manager) => {
        const transaction = new Transaction(manager);
        return { transaction, result: await work(transaction) };
      }),
    );
    done.transaction.tellNews();
    return done.result;
  }
}
