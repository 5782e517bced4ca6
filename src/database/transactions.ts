import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { againIfRolledBack } from './rolled-back.js';

/** Where a statement can be sent: the pool, or a transaction under way. */
export type Queryable = Pick<EntityManager, 'query'>;

/** One transaction under way. What the world may know of it waits for its commit. */
export class Transaction implements Queryable {
  private readonly news: (() => void)[] = [];

  constructor(private readonly manager: EntityManager) {}

  query<T>(sql: string, parameters?: unknown[]): Promise<T> {
    return this.manager.query<T>(sql, parameters);
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
