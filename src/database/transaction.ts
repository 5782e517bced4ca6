import type { ClientBase, QueryConfig, QueryResultRow } from 'pg';
import { Sql } from 'sql-template-tag';

/** What a statement brought. */
export interface Answer<Row> {
  readonly rows: Row[];
  /** How many rows it returned or changed. */
  readonly rowCount: number;
}

/** Where a statement can be sent: the database, or a transaction under way. */
export interface Queryable {
  query<Row extends QueryResultRow>(statement: Sql): Promise<Answer<Row>>;
}

/** Sends a statement on one connection. Throws what the driver throws. */
export async function answerOf<Row extends QueryResultRow>(
  client: ClientBase,
  { name, text, values }: QueryConfig,
): Promise<Answer<Row>> {
  const { rows, rowCount } = await client.query<Row>(name === undefined ? { text, values } : { name, text, values });
  return { rows, rowCount: rowCount ?? 0 };
}

/** One transaction under way. */
export class Transaction implements Queryable {
  private readonly works: (() => void)[] = [];

  constructor(private readonly client: ClientBase) {}

  query<Row extends QueryResultRow>(statement: Sql): Promise<Answer<Row>>;
  /** @deprecated Takes a text with numbered parameters, and answers as TypeORM does. */
  query<T>(sql: string, parameters?: unknown[]): Promise<T>;
  async query(statement: Sql | string, parameters: unknown[] = []): Promise<unknown> {
    if (statement instanceof Sql) {
      return answerOf(this.client, statement);
    }
    const { command, rows, rowCount } = await this.client.query<QueryResultRow>(statement, parameters);
    return command === 'UPDATE' || command === 'DELETE' ? [rows, rowCount] : rows;
  }

  /** Does work once the transaction has committed, and not at all where it is rolled back. */
  afterCommit(work: () => void): void {
    this.works.push(work);
  }

  /** For the one that has committed it. */
  runAfterCommit(): void {
    for (const work of this.works) {
      work();
    }
  }
}
