import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Pool, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import { againIfRolledBack } from './rolled-back.js';

/** Statements that are asked so often that planning them each time would cost more than running them. */
@Injectable()
export class PreparedStatements {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /**
   * Runs a statement that each connection parses and plans once, as a transaction of its own. A name stands for one text
   * for ever. Throws what the driver throws.
   */
  query<Row extends QueryResultRow>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    return queryPrepared<Row>(poolOf(this.dataSource), name, text, values);
  }
}

/** The same on any pool. */
export async function queryPrepared<Row extends QueryResultRow>(
  pool: Pool,
  name: string,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  const { rows } = await againIfRolledBack(() => pool.query<Row>({ name, text, values }));
  return rows;
}

/** The pool of connections that TypeORM keeps. It has no door to it, nor to prepared statements. */
export function poolOf({ driver }: DataSource): Pool {
  const pool: unknown = 'master' in driver ? driver.master : null;
  if (!isPool(pool)) {
    throw new Error('The database is not connected.');
  }
  return pool;
}

const isPool = (value: unknown): value is Pool =>
  typeof value === 'object' && value !== null && 'waitingCount' in value;
