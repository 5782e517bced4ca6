import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { codeOf } from '../../problems/error-code.js';
import { migrations } from '../migrations/index.js';
import { missingMigrations, UnknownSchemaError } from '../missing-migrations.js';
import { answerOf, type Queryable } from '../transaction.js';
import { DatabaseRefusedError, explain } from './history.errors.js';
import { begin, findFor, refuseForAll, type Written } from './history-rows.js';
import { findIdentity } from './identity.js';
import { judge, type Memory } from './verdicts.js';

const KNOWN = migrations.map((Migration) => new Migration());
const UNDEFINED_TABLE = '42P01';

/**
 * What this process remembers of the database that it serves, and whether it may serve it. Connections ask at their
 * beginning: a server that was restored has closed all that were there, so no statement is answered by it before.
 */
export class HistoryCheck {
  readonly processId = randomUUID();
  private readonly logger = new Logger('Database');
  private memory: (Memory & { readonly writtenAt: string }) | null = null;
  private refusal: string | null = null;
  private connections = 0;

  /** @param isAcknowledged whether the operator has taken care of whatever was lost */
  constructor(readonly isAcknowledged: boolean) {}

  /** Why the database is not served; null where it is. */
  get wentBackWhy(): string | null {
    return this.refusal;
  }

  /** The greatest number that this process was answered; null before the first. */
  get number(): number | null {
    return this.memory?.number ?? null;
  }

  /** How many connections were opened. Of a server that was promoted all are new. */
  get opened(): number {
    return this.connections;
  }

  /** Throws {@link DatabaseRefusedError} where the database is not served. */
  requireIntact(): void {
    if (this.refusal !== null) {
      throw new DatabaseRefusedError(this.refusal);
    }
  }

  /** From now on the database must have this. */
  remember({ number, writtenAt, historyId }: Written, historyIds: ReadonlySet<string> = new Set()): void {
    const known = [...(this.memory?.historyIds ?? []), ...historyIds, ...(historyId === null ? [] : [historyId])];
    this.memory = { number, writtenAt, historyIds: new Set(known) };
    this.refusal = null;
  }

  /** From now on the database is served, until something else is found. */
  serveAgain(): void {
    this.refusal = null;
    this.logger.log('The database is served again');
  }

  /** From now on the database is not served. */
  refuse(why: string): void {
    if (this.refusal === null) {
      this.logger.error(explain(why));
    }
    this.refusal = why;
  }

  /**
   * Before a connection is used, of a primary: what a standby has yet to receive is not lost. Throws
   * {@link DatabaseRefusedError} where the database is not to be served, {@link UnknownSchemaError} where it lacks what would
   * say so.
   */
  async checkConnection(client: ClientBase): Promise<void> {
    this.connections++;
    const database: Queryable = { query: (statement) => answerOf(client, statement) };
    if ((await this.look(database)) === 'went back') {
      throw new DatabaseRefusedError(this.refusal ?? '');
    }
  }

  /**
   * Asks the database whether it still has what this process remembers, and refuses it for every process where it does not,
   * unless the operator has acknowledged that. Throws what the driver throws.
   */
  async look(database: Queryable): Promise<'intact' | 'anew' | 'went back'> {
    const { memory } = this;
    if (!memory) {
      return 'intact';
    }
    const why = await this.findLoss(database, memory);
    if (why === null || why === 'anew') {
      return why ?? 'intact';
    }
    if (!this.isAcknowledged) {
      this.refuse(why);
      await refuseForAll(database, why);
      return 'went back';
    }
    this.logger.warn(`RESTORED=acknowledged: the database seems to be restored from a backup, and is served: ${why}`);
    await begin(database, 'acknowledged', await findIdentity(database));
    return 'anew';
  }

  private async findLoss(database: Queryable, memory: Memory & { writtenAt: string }): Promise<string | null> {
    try {
      const found = await findFor(database, this.processId, memory);
      const verdict = judge(memory, found);
      const lost = `an instance was answered at ${memory.writtenAt} what the database does not have`;
      return verdict === 'went back' ? (found.wentBackWhy ?? lost) : verdict === 'anew' ? verdict : null;
    } catch (error) {
      if (codeOf(error) !== UNDEFINED_TABLE) throw error;
      // Asked again once it has the table: a migration was taken back, or it is a backup of an earlier release.
      throw new UnknownSchemaError(await missingMigrations(KNOWN, database));
    }
  }
}
