import { isUUID } from 'class-validator';
import { sqlTime } from './sql-values.js';
import { InvalidFieldError } from './validation.js';

/** A place in a list that is ordered by creation time and id, newest first. */
export interface Position {
  /** ISO 8601 in UTC, to the millisecond. */
  readonly createdAt: string;
  readonly id: string;
}

/** Before everything: whatever has a time and an id comes after it. */
export const START: Position = { createdAt: '9999-12-31T23:59:59.999Z', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };

export const encodeCursor = ({ createdAt, id }: Position): string =>
  Buffer.from(`${createdAt} ${id}`).toString('base64url');

/** Reads a cursor we gave out. Throws `validation_failed` on any other. */
export function decodeCursor(cursor: string): Position {
  const [createdAt, id] = Buffer.from(cursor, 'base64url').toString('utf8').split(' ');
  // To the letter as we wrote it: what only looks like a time may mean nothing, or another thing, to PostgreSQL.
  const isOurs =
    createdAt &&
    id &&
    sqlTime(createdAt) === createdAt &&
    isUUID(id, 'loose') &&
    encodeCursor({ createdAt, id }) === cursor;
  if (!isOurs) {
    throw new InvalidFieldError('cursor', 'cursor must be the nextCursor of the page before');
  }
  return { createdAt, id };
}
