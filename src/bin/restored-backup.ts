import sql from 'sql-template-tag';
import type { AppConfig } from '../config/config.js';
import type { Database } from '../database/database.js';
import { begin, refuseForAll } from '../database/history/history-rows.js';
import { findIdentity } from '../database/history/identity.js';
import { KeyRotation } from '../keys/key-rotation.js';
import { SIGNING_ALGORITHM } from '../keys/signing-key.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { revokeOpenedBefore } from '../sessions/revoke/revoke-opened-before.js';
import { ACTIVE } from '../sessions/sessions.sql.js';
import { NO_PASSWORD } from '../users/user.entity.js';

const MOST_COUNTED = 100_000;
const BATCH_ROWS = 1000;

/** What a backup has that may be otherwise by now. */
export interface RestoredContent {
  /** When it was served last, as far as it knows; null where it never was. */
  readonly servedUntil: Date | null;
  /** Open sessions; one more than a hundred thousand where there are more than that. */
  readonly sessions: number;
  readonly admins: readonly string[];
  /** The service clients that may call, each with the number of its secrets. */
  readonly clients: readonly { readonly id: string; readonly name: string; readonly secrets: number }[];
}

/** What was done. */
export interface Settled {
  readonly sessions: number;
  readonly links: number;
  /** Null where no keys are kept, under HS256. */
  readonly keys: number | null;
  /** Null where the passwords were left. */
  readonly passwords: number | null;
}

/**
 * A database that was restored from a backup, and what must happen before it is served. What was ended, used or revoked since
 * the backup is not in it, so everything is ended that could have been. Each step may be repeated.
 */
export class RestoredBackup {
  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
  ) {}

  async describe(): Promise<RestoredContent> {
    const { rows } = await this.database.query<RestoredContent>(sql`
      SELECT coalesce((SELECT max(written_at) FROM service_processes), (SELECT max(at) FROM audit_events)) AS "servedUntil",
        (SELECT count(*) FROM (SELECT FROM sessions s WHERE ${ACTIVE} LIMIT ${MOST_COUNTED + 1}) s)::integer AS sessions,
        ARRAY(SELECT email FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY email) AS admins,
        (SELECT coalesce(json_agg(json_build_object('id', c.id, 'name', c.name, 'secrets',
            (SELECT count(*) FROM service_client_secrets s WHERE s.client_id = c.id AND s.ended_at IS NULL)
          ) ORDER BY c.name), '[]')
         FROM service_clients c WHERE c.ended_at IS NULL) AS clients`);
    return rows[0] ?? { servedUntil: null, sessions: 0, admins: [], clients: [] };
  }

  /**
   * Ends every session that was opened before now, withdraws every mailed link that could change an account, and replaces the
   * signing keys. Instances refuse requests meanwhile, and serve again afterwards. What ends it half-way leaves them refusing,
   * and it can be run again.
   *
   * @param withdrawsPasswords whether every account is also to need a new password
   * @param report is told how many sessions were ended so far
   */
  async settle(withdrawsPasswords: boolean, report: (sessions: number) => void): Promise<Settled> {
    await refuseForAll(this.database, 'its sessions are being ended by npm run database:restored');
    const { rows } = await this.database.query<{ now: string }>(sql`SELECT now()::text AS now`);
    let sessions = 0;
    const batches = revokeOpenedBefore(
      this.database,
      rows[0]?.now ?? 'now',
      'backup_restored',
      this.config.databaseSchema,
    );
    for await (const count of batches) {
      sessions += count;
      report(sessions);
    }
    const links = await new MailedTokens(this.database).withdrawPendingOfAll();
    const keys = await this.replaceKeys();
    const passwords = withdrawsPasswords ? await this.withdrawPasswords() : null;
    await begin(this.database, 'sessions_ended', await findIdentity(this.database));
    return { sessions, links, keys, passwords };
  }

  private async replaceKeys(): Promise<number | null> {
    if (this.config.jwtAlgorithm !== SIGNING_ALGORITHM) {
      return null;
    }
    const { revoked } = await new KeyRotation(this.database, this.config).replaceAll('backup_restored');
    return revoked.length;
  }

  private async withdrawPasswords(): Promise<number> {
    let [count, last]: [number, string | null] = [0, '00000000-0000-0000-0000-000000000000'];
    while (last !== null) {
      const batch: { count: number; last: string | null } = await this.withdrawBatch(last);
      [count, last] = [count + batch.count, batch.last];
    }
    return count;
  }

  private async withdrawBatch(after: string): Promise<{ count: number; last: string | null }> {
    const { rows } = await this.database.query<{ count: number; last: string | null }>(sql`
      WITH batch AS MATERIALIZED (
        SELECT id FROM users WHERE id > ${after}::uuid ORDER BY id LIMIT ${BATCH_ROWS} FOR NO KEY UPDATE
      ), withdrawn AS (
        UPDATE users u SET password_hash = ${NO_PASSWORD} FROM batch
        WHERE u.id = batch.id AND u.password_hash <> ${NO_PASSWORD} RETURNING u.id
      ), recorded AS (
        INSERT INTO audit_events (type, outcome, user_id, reason)
        SELECT 'password_withdrawn', 'success', id, 'backup_restored' FROM withdrawn
      )
      SELECT (SELECT count(*) FROM withdrawn)::integer AS count, (SELECT max(id::text) FROM batch) AS last`);
    return rows[0] ?? { count: 0, last: null };
  }
}
