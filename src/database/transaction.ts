import type { ClientBase, QueryConfig, QueryResultRow } from 'pg';
import type { Sql } from 'sql-template-tag';

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
  { name, text, values, types }: QueryConfig,
): Promise<Answer<Row>> {
  const { rows, rowCount } = await client.query<Row>(
    name === undefined ? { text, values } : { name, text, values, types },
  );
  return { rows, rowCount: rowCount ?? 0 };
}

/** One transaction under way. */
export class Transaction implements Queryable {
  private readonly works: (() => void)[] = [];

  constructor(private readonly client: ClientBase) {}

  /** Sends a statement as part of it. Throws what the driver throws; then the transaction can only be rolled back. */
  query<Row extends QueryResultRow>(statement: Sql): Promise<Answer<Row>> {
    return answerOf(this.client, statement);
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
