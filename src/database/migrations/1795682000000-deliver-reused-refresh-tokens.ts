import type { MigrationInterface, QueryRunner } from 'typeorm';

/** That an old refresh token came back is a failure in the audit trail, and an event all the same: it was never sent. */
export class DeliverReusedRefreshTokens1795682000000 implements MigrationInterface {
  readonly name = 'DeliverReusedRefreshTokens1795682000000';

  async up(runner: QueryRunner): Promise<void> {
    await this.replace(runner, `(a.outcome = 'success' OR a.type = 'refresh_token_reused')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await this.replace(runner, `a.outcome = 'success'`);
  }

  private async replace(runner: QueryRunner, isEvent: string): Promise<void> {
    const [row]: { path: string }[] = await runner.query(`SELECT quote_ident(current_schema()) AS path`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION deliver_audit_events() RETURNS trigger LANGUAGE plpgsql
      SET search_path = ${row!.path}, pg_temp AS $$
      BEGIN
        IF NOT EXISTS (SELECT FROM receivers WHERE disabled_at IS NULL) THEN
          RETURN NULL;
        END IF;
        INSERT INTO deliveries (receiver_id, event, about, user_id, session_id, reason, email, at)
        SELECT r.id, e.event, coalesce(a.session_id, a.user_id), a.user_id, a.session_id, a.reason,
          CASE WHEN 'email' = ANY (r.include) THEN (SELECT u.email FROM users u WHERE u.id = a.user_id) END, a.at
        FROM added a
        JOIN (VALUES
          ('session_created', 'session.created'), ('session_revoked', 'session.revoked'),
          ('session_expired', 'session.expired'), ('refresh_token_reused', 'refresh_token.reused'),
          ('user_created', 'user.created'), ('user_disabled', 'user.disabled'), ('user_enabled', 'user.enabled'),
          ('account_deleted', 'user.deleted'), ('password_changed', 'password.changed'),
          ('password_reset', 'password.changed'), ('password_withdrawn', 'password.changed'),
          ('email_changed', 'email.changed'), ('email_change_undone', 'email.changed')
        ) AS e (type, event) ON e.type = a.type AND ${isEvent}
        JOIN receivers r ON r.disabled_at IS NULL AND e.event = ANY (r.events)
        ORDER BY a.at, a.type = 'session_revoked';
        RETURN NULL;
      END $$`);
  }
}
