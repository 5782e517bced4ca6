import type { Identity } from './identity.js';

/** Long enough for a failover together with the restart of all instances; no longer, since a restore can be as quick. */
export const PROMOTION_SECONDS = 900;
/** Rows of processes are kept longer, so that a row that is missing says something. */
const REMEMBERED_SECONDS = 7 * 24 * 3600;

/** Why a part of the history began. The last two are what a person decided. */
export type HistoryCause = 'first' | 'promotion' | 'acknowledged' | 'sessions_ended';

/** The newest part of the history that the database has. */
export interface Kept extends Identity {
  readonly id: string;
  readonly wentBackWhy: string | null;
  /** Since any process wrote there; null where none has. */
  readonly idleSeconds: number | null;
}

/** What a process remembers, while it runs. */
export interface Memory {
  /** Every part of the history that it has seen. */
  readonly historyIds: ReadonlySet<string>;
  /** The greatest number of its own that it was answered. */
  readonly number: number;
}

/** What the database says to that. */
export interface Found {
  /** The newest part of its history; null where there is none. */
  readonly historyId: string | null;
  readonly cause: HistoryCause | null;
  /** Why it is refused already. */
  readonly wentBackWhy: string | null;
  /** The number that this process has there; null where it has none. */
  readonly number: number | null;
  /** Whether a person decided something that the process has not seen. */
  readonly isSettled: boolean;
  /** Since the process was answered its number; by the clock of the database. */
  readonly seconds: number;
}

/**
 * Why a process that starts, and so remembers nothing, must not serve this database; null where it may. A promotion that no
 * running process has recognised is taken for a failover, unless the server itself says that it was recovered to a point in
 * time, or the database was not served for so long that it may have been restored meanwhile.
 */
export function reasonToRefuse(kept: Kept, server: Identity): string | null {
  if (kept.wentBackWhy !== null) {
    return kept.wentBackWhy;
  }
  if (isOther(kept.systemIdentifier, server.systemIdentifier)) {
    return 'it is in another cluster of PostgreSQL than the one that was served last';
  }
  if (isOther(kept.databaseOid, server.databaseOid)) {
    return 'it is another database of the cluster than the one that was served last, and has what was copied from that';
  }
  if (isOther(kept.tableOid, server.tableOid)) {
    return 'its tables were made anew since it was served last, from a dump';
  }
  if (kept.timeline === null || server.timeline === null || kept.timeline === server.timeline) {
    return null;
  }
  const timelines = `it is on timeline ${server.timeline}, and was served last on timeline ${kept.timeline}`;
  if (server.timeline < kept.timeline) {
    return timelines;
  }
  if (server.recoveryTarget !== '' && server.recoveryTarget !== kept.recoveryTarget) {
    return `${timelines}, and the server was recovered to a point in time (${server.recoveryTarget})`;
  }
  if (kept.idleSeconds === null || kept.idleSeconds > PROMOTION_SECONDS) {
    const since = kept.idleSeconds === null ? 'a long time' : `${Math.round(kept.idleSeconds / 60)} minutes`;
    return `${timelines}, and nothing is known of the ${since} in between: that is a restore, or a failover while no instance ran`;
  }
  return null;
}

/** Whether PostgreSQL knows the database as another one than before. */
export const isChanged = (kept: Identity, server: Identity): boolean =>
  isOther(kept.systemIdentifier, server.systemIdentifier) ||
  isOther(kept.databaseOid, server.databaseOid) ||
  isOther(kept.tableOid, server.tableOid) ||
  isOther(kept.timeline, server.timeline);

const isOther = <T>(one: T | null, other: T | null): boolean => one !== null && other !== null && one !== other;

/**
 * Whether the database still has what a running process was answered. `anew`: that is gone for a good reason, or it cannot
 * be known, and the process begins to remember anew.
 */
export function judge(memory: Memory, found: Found): 'intact' | 'anew' | 'went back' {
  if (found.wentBackWhy !== null) {
    return 'went back';
  }
  if (found.historyId === null) {
    // A new database, in which nothing can live again.
    return 'anew';
  }
  if (found.number !== null && found.number >= memory.number) {
    return 'intact';
  }
  const isNew = found.cause === 'first' && !memory.historyIds.has(found.historyId);
  return found.isSettled || isNew || found.seconds > REMEMBERED_SECONDS ? 'anew' : 'went back';
}
