-- What the role that serves may do, and no more. As the owner of the tables, after each release, at any time, as often as you like:
--
--   psql "$MIGRATION_DATABASE_URL" -v ON_ERROR_STOP=1 -v schema=public -v role=latchkey_runtime -f grants.sql
--
-- `migrate` does the same for the role in DATABASE_URL, where MIGRATION_DATABASE_URL is set. Each GRANT is one line: rights.ts reads
-- them. Requests that run meanwhile do not notice, since it is one transaction.
BEGIN;
SET LOCAL search_path TO :"schema", pg_temp;
SET LOCAL latchkey.serving_role = :'role';

DO $$
BEGIN
  IF (SELECT pg_has_role(current_setting('latchkey.serving_role'), relowner, 'MEMBER') FROM pg_class WHERE oid = 'audit_events'::regclass) THEN
    RAISE EXCEPTION 'the role % owns the tables, or is a superuser: let another one serve', current_setting('latchkey.serving_role');
  END IF;
END $$;

-- What it had before, such as by GRANT … ON ALL TABLES, which earlier releases named.
REVOKE ALL ON TABLE migrations, users, sessions, audit_events, rate_limits, mails, mailed_tokens, known_devices, email_changes,
  stream_watches, signing_keys, service_clients, service_client_secrets, database_history, service_processes, incidents,
  receivers, deliveries, session_expiries FROM :"role";
REVOKE CREATE ON SCHEMA :"schema" FROM :"role";

GRANT USAGE ON SCHEMA :"schema" TO :"role";

-- Which release the schema is of.
GRANT SELECT ON TABLE migrations TO :"role";

-- Rows that retention deletes are locked before, which takes UPDATE of any column.
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE users, sessions, rate_limits, mails TO :"role";
GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON TABLE mailed_tokens TO :"role";
GRANT SELECT, INSERT, UPDATE (last_seen_at), DELETE ON TABLE known_devices TO :"role";
GRANT SELECT, INSERT, UPDATE (session_id, changed_at), DELETE ON TABLE email_changes TO :"role";
GRANT SELECT, INSERT, UPDATE (until), DELETE ON TABLE stream_watches TO :"role";
GRANT SELECT, INSERT, UPDATE (encrypted_key, accepted_until), DELETE ON TABLE signing_keys TO :"role";
GRANT SELECT, INSERT, UPDATE (ended_at), DELETE ON TABLE service_clients TO :"role";
GRANT SELECT, INSERT, UPDATE (last_used_at, ended_at), DELETE ON TABLE service_client_secrets TO :"role";
GRANT SELECT, INSERT, UPDATE (number, written_at), DELETE ON TABLE service_processes TO :"role";
GRANT SELECT, INSERT, UPDATE (matches, ended, waits_for, last_user_id, last_created_at, last_id, finished_at), DELETE ON TABLE incidents TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE receivers, deliveries TO :"role";
GRANT SELECT, UPDATE (look_at), DELETE ON TABLE session_expiries TO :"role";
GRANT SELECT, INSERT, UPDATE (went_back_at, went_back_why) ON TABLE database_history TO :"role";

-- Lines are written and read. Their parts come and go by functions, which run as the owner and check what they are asked; without
-- the last two, no line is ever deleted.
GRANT SELECT, INSERT ON TABLE audit_events TO :"role";
GRANT EXECUTE ON FUNCTION audit_events_make_parts, audit_events_rows_outside_parts TO :"role";
GRANT EXECUTE ON FUNCTION audit_events_drop_part, audit_events_delete_rows TO :"role";

-- A part is read by those who may read the trail, and is written through it alone; as where the functions make one.
DO $$
BEGIN
  PERFORM audit_events_copy_rights('audit_events', part, 'SELECT') FROM audit_events_parts();
END $$;
COMMIT;
