import type { TestDatabase } from './database.js';
import { until } from './until.js';

/**
 * Waits until every mail was handed over. Several go out at the same time, so one that has come says nothing of those that
 * were written before it.
 */
export const outboxIsEmpty = (database: TestDatabase) =>
  until('the outbox is empty', async () => (await database.query('SELECT FROM mails')).length === 0, 60);
