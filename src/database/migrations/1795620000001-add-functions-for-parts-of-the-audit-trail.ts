import type { MigrationInterface, QueryRunner } from 'typeorm';

// For the service, by name: the rest are for these alone.
const OF_THE_SERVICE = {
  audit_events_make_parts: 'INSERT',
  audit_events_rows_outside_parts: 'INSERT',
  audit_events_drop_part: 'DELETE',
  audit_events_delete_rows: 'DELETE',
};
const INTERNAL = ['audit_events_copy_rights', 'audit_events_add_part'];

/**
 * What makes parts of the trail, and drops them once they are over, runs with the rights of its owner and checks for
 * itself what it is asked to do: so the role that serves needs neither to own the trail nor to be able to change it.
 */
export class AddFunctionsForPartsOfTheAuditTrail1795620000001 implements MigrationInterface {
  readonly name = 'AddFunctionsForPartsOfTheAuditTrail1795620000001';

  async up(runner: QueryRunner): Promise<void> {
    const [row]: { path: string }[] = await runner.query(`SELECT quote_ident(current_schema()) AS path`);
    // The same for every caller: whose functions and operators it finds, and how bounds are written and read.
    const fixed = `SET search_path = ${row!.path}, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'`;

    await runner.query(`
      CREATE FUNCTION audit_events_parts() RETURNS TABLE (part regclass, starts_at timestamptz, ends_at timestamptz)
      LANGUAGE sql STABLE ${fixed} AS $$
        SELECT oid::regclass,
          CASE WHEN bound LIKE 'FOR VALUES FROM (MINVALUE)%' THEN '-infinity'
            ELSE substring(bound FROM 'FROM \\(''([^'']+)') END::timestamptz,
          substring(bound FROM 'TO \\(''([^'']+)')::timestamptz
        FROM (
          SELECT c.oid, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'audit_events'::regclass
        ) bounds
      $$`);

    // All but the owner lose what default privileges gave them, and get what they have on the other table.
    await runner.query(`
      CREATE FUNCTION audit_events_copy_rights(source regclass, target regclass, only_right text DEFAULT NULL) RETURNS void
      LANGUAGE plpgsql ${fixed} AS $$
      DECLARE
        command text;
      BEGIN
        FOR command IN
          SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', target, coalesce(quote_ident(rolname), 'PUBLIC'))
          FROM pg_class c, aclexplode(c.relacl) LEFT JOIN pg_roles r ON r.oid = grantee
          WHERE c.oid = target AND grantee <> c.relowner
        LOOP
          EXECUTE command;
        END LOOP;
        FOR command IN
          SELECT format('GRANT %s %s ON %s TO %s %s', privilege_type, columns, target,
            coalesce(quote_ident(rolname), 'PUBLIC'), CASE WHEN is_grantable THEN 'WITH GRANT OPTION' END)
          FROM (
            SELECT relacl AS rights, '' AS columns FROM pg_class WHERE oid = source
            UNION ALL
            SELECT attacl, format('(%I)', attname) FROM pg_attribute WHERE attrelid = source AND attacl IS NOT NULL
          ) granted, aclexplode(rights) LEFT JOIN pg_roles r ON r.oid = grantee
          WHERE grantee <> (SELECT relowner FROM pg_class WHERE oid = target)
            AND (only_right IS NULL OR privilege_type = only_right)
        LOOP
          EXECUTE command;
        END LOOP;
      END
      $$`);

    // The row trigger is cloned from the trail as a part comes, and fires as it does there; that of TRUNCATE is not. Beside
    // the trail a part may only be read, as a backup does. Made first and attached then, so that the trail stays open.
    await runner.query(`
      CREATE FUNCTION audit_events_add_part(name text, bounds text) RETURNS void
      LANGUAGE plpgsql ${fixed} AS $$
      BEGIN
        EXECUTE format('CREATE TABLE %I (LIKE audit_events INCLUDING DEFAULTS INCLUDING INDEXES)', name);
        EXECUTE format('CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON %I
          FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only()', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER audit_events_no_truncate', name);
        PERFORM audit_events_copy_rights('audit_events', name::regclass, 'SELECT');
        EXECUTE format('ALTER TABLE audit_events ATTACH PARTITION %I %s', name, bounds);
      END
      $$`);

    // Where lines are already outside the parts, none were made in time: then what holds them becomes a part itself. That
    // reads all of it while requests wait, so it is done by itself only where it is small.
    await runner.query(`
      CREATE FUNCTION audit_events_make_parts(months integer, also_large boolean DEFAULT false) RETURNS integer
      LANGUAGE plpgsql STRICT SECURITY DEFINER ${fixed} SET lock_timeout = '200ms' AS $$
      DECLARE
        needed_until timestamptz := date_trunc('month', now()) + make_interval(months => least(months, 24) + 1);
        starts timestamptz;
        ends timestamptz;
        name text;
        made integer := 0;
      BEGIN
        IF months < 1 OR months > 24 THEN
          RAISE EXCEPTION 'parts are made for 1 to 24 months' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF (SELECT max(ends_at) >= needed_until FROM audit_events_parts()) THEN
          RETURN made;
        END IF;
        -- One at a time; whoever comes second finds the parts made.
        LOCK TABLE ONLY audit_events IN SHARE UPDATE EXCLUSIVE MODE;
        LOOP
          SELECT coalesce(max(ends_at), date_trunc('month', least(now(), (SELECT min(at) FROM audit_events_default))))
            INTO starts FROM audit_events_parts();
          EXIT WHEN starts >= needed_until;
          ends := date_trunc('month', starts) + interval '1 month';
          name := to_char(starts, '"audit_events_"YYYY_MM');
          IF NOT EXISTS (SELECT FROM audit_events_default WHERE at >= starts) THEN
            PERFORM audit_events_add_part(name, format('FOR VALUES FROM (%L) TO (%L)', starts, ends));
          ELSIF EXISTS (SELECT FROM audit_events_default WHERE at < starts) THEN
            RAISE EXCEPTION 'audit_events_default has lines from before %, where parts begin to lack', starts
              USING ERRCODE = 'object_not_in_prerequisite_state';
          ELSIF pg_relation_size('audit_events_default') > 16 * 1024 * 1024 AND NOT also_large THEN
            RAISE EXCEPTION 'audit_events_default is too large to become a part while requests wait'
              USING ERRCODE = 'object_not_in_prerequisite_state';
          ELSE
            LOCK TABLE ONLY audit_events IN ACCESS EXCLUSIVE MODE;
            SELECT date_trunc('month', greatest(now(), max(at))) + interval '1 month' INTO ends FROM audit_events_default;
            ALTER TABLE audit_events DETACH PARTITION audit_events_default;
            EXECUTE format('ALTER TABLE audit_events_default RENAME TO %I', name);
            EXECUTE format('ALTER TABLE audit_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, starts, ends);
            PERFORM audit_events_add_part('audit_events_default', 'DEFAULT');
          END IF;
          made := made + 1;
        END LOOP;
        RETURN made;
      END
      $$`);

    await runner.query(`
      CREATE FUNCTION audit_events_rows_outside_parts() RETURNS integer
      LANGUAGE plpgsql STABLE SECURITY DEFINER ${fixed} AS $$
      BEGIN
        RETURN (SELECT count(*) FROM (SELECT FROM audit_events_default LIMIT 10000) counted);
      END
      $$`);

    // Returns how many lines it had, as far as PostgreSQL knows; null where nothing is over.
    await runner.query(`
      CREATE FUNCTION audit_events_drop_part(days integer) RETURNS bigint
      LANGUAGE plpgsql STRICT SECURITY DEFINER ${fixed} SET lock_timeout = '200ms' AS $$
      DECLARE
        over_until timestamptz := now() - make_interval(days => greatest(days, 30));
        over regclass;
        lines bigint;
      BEGIN
        IF NOT EXISTS (SELECT FROM audit_events_parts() WHERE ends_at <= over_until) THEN
          RETURN NULL;
        END IF;
        LOCK TABLE ONLY audit_events IN ACCESS EXCLUSIVE MODE;
        SELECT part INTO over FROM audit_events_parts() WHERE ends_at <= over_until ORDER BY ends_at LIMIT 1;
        IF over IS NOT NULL THEN
          SELECT greatest(reltuples, 0) INTO lines FROM pg_class WHERE oid = over;
          EXECUTE format('DROP TABLE %s', over);
        END IF;
        RETURN lines;
      END
      $$`);

    // For what no part of a month holds. By time and id, never by place: each part has its own places. In the order of an
    // index, whatever the planner counted when there was more that is over.
    await runner.query(`
      CREATE FUNCTION audit_events_delete_rows(days integer, since timestamptz, max_rows integer)
      RETURNS TABLE (deleted integer, last_at timestamptz)
      LANGUAGE plpgsql SECURITY DEFINER ${fixed} SET enable_seqscan = off SET jit = off AS $$
      DECLARE
        over_until timestamptz := now() - make_interval(days => greatest(days, 30));
        source text;
        holder regclass;
        ids uuid[];
        first_at timestamptz;
        count integer;
      BEGIN
        SELECT string_agg(format('SELECT id, at FROM %s WHERE at < $1 AND at >= $2', part), ' UNION ALL ') INTO source
        FROM audit_events_parts() WHERE starts_at IS NULL OR starts_at = '-infinity';
        EXECUTE format('SELECT array_agg(id), min(at), max(at) FROM (%s ORDER BY at LIMIT $3) oldest', source)
          INTO ids, first_at, last_at USING over_until, coalesce(since, '-infinity'), max_rows;
        -- The trigger lets nothing go without it, and nothing that is younger.
        PERFORM set_config('latchkey.audit_retention_days', greatest(days, 30)::text, true);
        deleted := 0;
        FOR holder IN SELECT part FROM audit_events_parts() WHERE starts_at IS NULL OR starts_at = '-infinity' LOOP
          EXECUTE format('DELETE FROM %s WHERE at BETWEEN $1 AND $2 AND id = ANY($3)', holder)
            USING first_at, last_at, ids;
          GET DIAGNOSTICS count = ROW_COUNT;
          deleted := deleted + count;
        END LOOP;
        PERFORM set_config('latchkey.audit_retention_days', '', true);
        RETURN NEXT;
      END
      $$`);

    await this.grant(runner);
  }

  /** To those who may already do to lines what a function does to parts; it belongs to the owner of the trail. */
  private async grant(runner: QueryRunner): Promise<void> {
    const functions = [...INTERNAL, ...Object.keys(OF_THE_SERVICE)];
    await runner.query(`REVOKE ALL ON FUNCTION ${functions.join(', ')} FROM PUBLIC`);
    const rights: { right: string; holder: string }[] = await runner.query(
      `SELECT privilege_type AS right, coalesce(quote_ident(r.rolname), 'PUBLIC') AS holder
       FROM pg_class c, aclexplode(c.relacl) LEFT JOIN pg_roles r ON r.oid = grantee
       WHERE c.oid = 'audit_events'::regclass AND grantee <> relowner`,
    );
    for (const [name, needed] of Object.entries(OF_THE_SERVICE)) {
      for (const { holder } of rights.filter(({ right }) => right === needed)) {
        await runner.query(`GRANT EXECUTE ON FUNCTION ${name} TO ${holder}`);
      }
    }
    const [trail]: { owner: string; isOurs: boolean }[] = await runner.query(
      `SELECT quote_ident(pg_get_userbyid(relowner)) AS owner, pg_get_userbyid(relowner) = current_user AS "isOurs"
       FROM pg_class WHERE oid = 'audit_events'::regclass`,
    );
    for (const name of trail?.isOurs ? [] : ['audit_events_parts', ...functions]) {
      await runner.query(`ALTER FUNCTION ${name} OWNER TO ${trail!.owner}`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of ['audit_events_parts', ...INTERNAL, ...Object.keys(OF_THE_SERVICE)]) {
      await runner.query(`DROP FUNCTION ${name}`);
    }
  }
}
