import { createHash } from 'node:crypto';
import { raw, type Sql } from 'sql-template-tag';
import { DEFAULT_SCHEMA } from '../config/database.config.js';

// Channels and advisory locks are the whole database's, and there may be another Latchkey in another schema of it. In the
// default one they are as they always were, so that instances of two releases hear and lock each other.

/** The channel that stands for this one in a schema. */
export const channelIn = (schema: string, channel: string): string =>
  schema === DEFAULT_SCHEMA ? channel : `${channel}_${schema}`;

/** The advisory lock that stands for this one in a schema: the arguments of PostgreSQL's functions, as SQL. */
export const lockIn = (schema: string, lock: number): Sql =>
  raw(schema === DEFAULT_SCHEMA ? String(lock) : `${lock}, ${numberOf(schema)}`);

// Two that are the same number only wait for each other.
const numberOf = (schema: string): number => createHash('sha256').update(schema).digest().readInt32BE();
