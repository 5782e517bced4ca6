import { Logger } from '@nestjs/common';
import sql from 'sql-template-tag';
import type { Database } from '../database.js';
import { lockIn } from '../schema-scope.js';
import type { Queryable } from '../transaction.js';
import type { HistoryCheck } from './history-check.js';
import { begin, findNewest, listIds, refuseForAll, writeFirst } from './history-rows.js';
import { findIdentity, type Identity } from './identity.js';
import { isChanged, reasonToRefuse } from './verdicts.js';

// Any number will do, as long as it is ours and never changes.
const LOCK = 5_284_203;

/**
 * Begins to remember the database, one process at a time. Returns why it must not be served, and null where it may: it was
 * never served, or it is the one that was served last, perhaps after a failover, or the operator has acknowledged the rest.
 */
export async function joinHistory(database: Database, check: HistoryCheck, schema: string): Promise<string | null> {
  // Before the transaction, which a function that is not there would end.
  const identity = await findIdentity(database);
  const { why, written, ids } = await database.transaction(async (transaction) => {
    await transaction.query(sql`SELECT pg_advisory_xact_lock(${lockIn(schema, LOCK)})`);
    const refused = await settle(transaction, check, identity);
    return refused === null
      ? { why: null, written: await writeFirst(transaction, check.processId), ids: await listIds(transaction) }
      : { why: refused, written: null, ids: new Set<string>() };
  });
  if (written) {
    check.remember(written, ids);
  }
  return why;
}

async function settle(transaction: Queryable, check: HistoryCheck, identity: Identity): Promise<string | null> {
  const logger = new Logger('Database');
  const newest = await findNewest(transaction);
  if (!newest) {
    await begin(transaction, 'first', identity);
    return null;
  }
  const why = reasonToRefuse(newest, identity);
  if (why !== null && check.isAcknowledged) {
    logger.warn(`RESTORED=acknowledged: the database seems to be restored from a backup, and is served: ${why}`);
    await begin(transaction, 'acknowledged', identity);
    return null;
  }
  if (why !== null) {
    await refuseForAll(transaction, why);
    return why;
  }
  if (isChanged(newest, identity)) {
    logger.warn(`The database was promoted: timeline ${identity.timeline} after ${newest.timeline}`);
    await begin(transaction, 'promotion', identity);
  }
  return null;
}
