import { Injectable } from '@nestjs/common';
import { Database } from './database.js';
import type { Transaction } from './transaction.js';

export type { Transaction } from './transaction.js';

/** @deprecated Use {@link Database}. */
@Injectable()
export class Transactions {
  constructor(private readonly database: Database) {}

  run<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.database.transaction(work);
  }
}
