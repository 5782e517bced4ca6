import type { Api, AuthResult } from './api.js';
import type { TestDatabase } from './database.js';
import { seedDevices } from './devices.js';
import { EventStream } from './event-stream.js';

/** A user with two devices, and a stream of the first at each of two instances. */
export interface Watched {
  readonly account: AuthResult;
  readonly other: AuthResult;
  readonly streams: EventStream[];
}

interface Instances {
  readonly database: Pick<TestDatabase, 'query'>;
  readonly a: Api;
  readonly b: Api;
}

/** Ends the first device's session, at an instance. */
export type End = (watched: Watched, api: Api) => Promise<unknown>;

interface Ending {
  readonly reason: string;
  /** What is done before the streams open. */
  readonly prepare?: (account: AuthResult) => Promise<unknown>;
}

export const logout: End = ({ account }, api) => api.logout(account.refreshToken);

/** As a statement of another program does, which notifies no instance. */
export const revokeSilently = ({ database }: Pick<Instances, 'database'>, sessionId: string) =>
  database.query(
    `WITH ended AS (
       UPDATE sessions SET revoked_at = now(), revoked_reason = 'revoked_by_admin', revoked_by = user_id
       WHERE id = $1 RETURNING *
     )
     INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason)
     SELECT 'session_revoked', 'success', user_id, id, revoked_by, revoked_reason FROM ended`,
    [sessionId],
  );

/** Cuts the connections on which the instances listen for notifications. */
export const cutListeners = ({ database }: Pick<Instances, 'database'>) =>
  database.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE 'LISTEN%'`,
  );

export async function watched({ database, a, b }: Instances, prepare?: Ending['prepare']): Promise<Watched> {
  const [account, other] = await seedDevices(database, [a], 2);
  await prepare?.(account);
  const streams = await Promise.all([a, b].map((api) => EventStream.open(api, account.accessToken)));
  return { account, other, streams };
}

/** Ends so many sessions at the same moment, by turns at both instances: every stream of theirs ends, and its last event says why. */
export async function expectStreamsToEnd(t: Instances, count: number, end: End, { reason, prepare }: Ending) {
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const one = await watched(t, prepare);
      await end(one, i % 2 ? t.a : t.b);
      for (const stream of one.streams) {
        const last = await stream.ended();
        expect([last?.type, last?.data]).toMatchObject(['session.revoked', { id: one.account.session.id, reason }]);
      }
    }),
  );
}
