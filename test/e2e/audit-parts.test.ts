import { Client } from 'pg';
import { AuditParts } from '../../src/audit/audit-parts.js';
import { Retention } from '../../src/database/retention.js';
import { useApp } from '../support/app.js';

const t = useApp({}, { hasMissingRows: true });

const sweep = () => t.app.get(Retention).deleteDue();

interface Part {
  readonly name: string;
  readonly starts: Date | null;
  readonly ends: Date | null;
}

/** The parts of months, the oldest first. */
async function months(): Promise<Part[]> {
  return t.database.query<Part & { starts: Date }>(
    `SELECT part::text AS name, starts_at AS starts, ends_at AS ends FROM audit_events_parts()
     WHERE isfinite(starts_at) ORDER BY starts_at`,
  );
}

const namesOf = (parts: readonly Part[]) => parts.map(({ name }) => name);

/** Makes the trail an empty one that began so many months ago, and in which no part has been made since. */
async function beginMonthsAgo(count: number): Promise<void> {
  const parts = await months();
  const [old] = await t.database.query(`SELECT FROM audit_events_parts() WHERE starts_at = '-infinity'`);
  await t.database.query(
    `SET timezone = 'UTC';
     SET ROLE ${process.env['TEST_OWNER']};
     ${parts.map(({ name }) => `DROP TABLE ${name};`).join('')}
     ${old ? 'DROP TABLE audit_events_old;' : ''}
     DROP TABLE audit_events_default;
     SELECT audit_events_add_part('audit_events_default', 'DEFAULT');
     SELECT audit_events_add_part('audit_events_old', format('FOR VALUES FROM (MINVALUE) TO (%L)',
       date_trunc('month', now()) - interval '${count} months'));
     RESET ROLE;
     RESET timezone;
     TRUNCATE users CASCADE`,
  );
}

async function write(at: Date | string, reason = 'test'): Promise<string> {
  const [line] = await t.database.query<{ part: string }>(
    `INSERT INTO audit_events (type, outcome, reason, at) VALUES ('login_failed', 'failure', $2, $1)
     RETURNING tableoid::regclass::text AS part`,
    [at, reason],
  );
  return line!.part;
}

const countOf = async (where: string) =>
  (await t.database.query<{ count: number }>(`SELECT count(*)::integer FROM audit_events WHERE ${where}`))[0]!.count;

describe('append-only', () => {
  let all: string[];

  beforeAll(async () => {
    // Some of them made later than the migration.
    await t.database.query('SELECT audit_events_make_parts(9)');
    const parts = await t.database.query<{ name: string; at: Date | null }>(
      `SELECT part::text AS name, CASE WHEN isfinite(starts_at) THEN starts_at ELSE ends_at - interval '40 days' END AS at
       FROM audit_events_parts()`,
    );
    all = ['audit_events', ...parts.map(({ name }) => name)];
    expect(all.length).toBeGreaterThan(11);
    for (const { name, at } of parts) expect(await write(at ?? '2099-01-01Z')).toBe(name);
  });

  it.each(['UPDATE', 'DELETE', 'TRUNCATE'])(
    'Every part of the trail refuses %s, whether made before or later, and whatever a superuser does to triggers',
    async (command) => {
      const statementOf = (table: string) =>
        ({ UPDATE: `UPDATE ${table} SET reason = 'x'`, DELETE: `DELETE FROM ${table}`, TRUNCATE: `TRUNCATE ${table}` })[
          command
        ];
      const before = await countOf('true');
      for (const table of all) {
        for (const role of ['origin', 'replica']) {
          const asked = t.database.query(`SET session_replication_role = ${role}; ${statementOf(table)}`);
          await expect(asked).rejects.toThrow('append-only');
        }
        // Without its triggers a part would let it go.
        const unguarded = `BEGIN; ALTER TABLE ${table} DISABLE TRIGGER USER; ${statementOf(table)}; ROLLBACK`;
        if (table !== 'audit_events') await t.database.query(unguarded);
      }
      expect(await countOf('true')).toBe(before);
    },
  );
});

describe('months', () => {
  it('Instances that make parts at once make one for each month, across the ends of years, and each line is in its own', async () => {
    await beginMonthsAgo(14);
    const made = await Promise.allSettled(
      Array.from({ length: 6 }, () =>
        t.database.query<{ count: number }>('SELECT audit_events_make_parts(12) AS count'),
      ),
    );
    const parts = await months();
    // All in one go; the others found nothing to do, or did not wait so long.
    const [sum, refusals] = [
      made.reduce((count, one) => count + (one.status === 'fulfilled' ? one.value[0]!.count : 0), 0),
      made.filter((one) => one.status === 'rejected').map(({ reason }) => (reason as { code: string }).code),
    ];
    expect(sum).toBe(14 + 1 + 12);
    expect(new Set([...refusals, '55P03'])).toEqual(new Set(['55P03']));
    const now = new Date();
    parts.forEach(({ name, starts, ends }, i) => {
      const month = (n: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 14 + n));
      expect([starts, ends]).toEqual([month(i), month(i + 1)]);
      expect(name).toBe(`audit_events_${month(i).toISOString().slice(0, 7).replace('-', '_')}`);
    });
    expect(new Set(parts.map(({ starts }) => starts!.getUTCFullYear())).size).toBeGreaterThanOrEqual(3);
    for (const { name, starts, ends } of parts) {
      expect([await write(starts!), await write(new Date(ends!.getTime() - 1))]).toEqual([name, name]);
    }
    expect(await t.app.get(AuditParts).countOutside()).toBe(0);
  });

  it('Retention drops the parts that are over, deletes what is older one by one, and keeps a part to its last day', async () => {
    await beginMonthsAgo(14);
    await sweep();
    const parts = await months();
    const days = (count: number) => new Date(Date.now() - count * 86_400_000);
    const [over, kept] = [
      parts.filter(({ ends }) => ends! < days(365)),
      parts.filter(({ ends }) => ends! >= days(365)),
    ];
    // What ended in the fourteen months before last year was over when it was made, and went at once.
    expect(over).toEqual([]);
    expect(kept[0]!.starts!.getTime()).toBeLessThan(days(365).getTime());
    expect(await t.database.query(`SELECT to_regclass('audit_events_old') AS old`)).toEqual([{ old: null }]);

    await write(kept[0]!.starts!, 'in a part that is not over');
    expect(await write(days(500), 'in no part')).toBe('audit_events_default');
    await sweep();
    expect(await countOf(`reason = 'in a part that is not over'`)).toBe(1);
    expect(await countOf(`reason = 'in no part'`)).toBe(0);
    expect(namesOf(await months())).toEqual(namesOf(kept));
  });

  it('No part is dropped before all of it has been over for thirty days, whatever is asked', async () => {
    await beginMonthsAgo(5);
    await t.database.query('SELECT audit_events_make_parts(3)');
    for (const { starts } of await months()) await write(starts!, 'kept');
    const drop = async (days: number) =>
      (await t.database.query<{ lines: string | null }>('SELECT audit_events_drop_part($1) AS lines', [days]))[0]!
        .lines;
    for (const days of [30, 0, -1000]) while ((await drop(days)) !== null) await drop(days);
    const thirtyDaysAgo = Date.now() - 30 * 86_400_000;
    const left = await months();
    expect(left.every(({ ends }) => ends!.getTime() > thirtyDaysAgo)).toBe(true);
    // The last month that is over, the running one, and three more.
    expect(left.length).toBeGreaterThanOrEqual(5);
    expect(await countOf(`reason = 'kept'`)).toBe(left.length);
    await expect(t.database.query('SELECT audit_events_make_parts(25)')).rejects.toThrow('1 to 24 months');
  });

  it('A part that is being read is dropped by the next turn, and nothing waits for it longer than a moment', async () => {
    await beginMonthsAgo(14);
    await t.database.query('SELECT audit_events_make_parts(3)');
    const reader = new Client({ connectionString: t.database.adminUrl });
    await reader.connect();
    await reader.query('BEGIN; SELECT count(*) FROM audit_events');
    const before = await months();
    await expect(t.database.query('SELECT audit_events_drop_part(365)')).rejects.toMatchObject({ code: '55P03' });
    expect(await sweep()).toBe(0);
    expect(namesOf(await months())).toEqual(namesOf(before));
    await reader.end();
    await sweep();
    expect((await months()).length).toBeLessThan(before.length);
  });
});

describe('outside the parts', () => {
  const outside = () => t.app.get(AuditParts).countOutside();
  const warnings = () =>
    t
      .output()
      .split('\n')
      .filter((line) => line.includes('audit_events_default, outside the parts'));

  it('Lines for which no part was made in time are counted, and become a part that is as append-only as the others', async () => {
    await beginMonthsAgo(2);
    const before = warnings().length;
    // Written through the service, which notices nothing.
    const { user } = await t.api.signUp();
    const lines = await countOf(`user_id = '${user.id}'`);
    expect(await outside()).toBe(lines);
    await sweep();
    expect(await outside()).toBe(0);
    expect(warnings()).toHaveLength(before);
    expect(await countOf(`user_id = '${user.id}'`)).toBe(lines);

    const [line] = await t.database.query<{ part: string }>(
      `SELECT DISTINCT tableoid::regclass::text AS part FROM audit_events WHERE user_id = '${user.id}'`,
    );
    for (const statement of [`TRUNCATE ${line!.part}`, `DELETE FROM ${line!.part}`, 'TRUNCATE audit_events_default']) {
      const asked = t.database.query(`SET session_replication_role = replica; ${statement}`);
      await expect(asked).rejects.toThrow('append-only');
    }
    const parts = await months();
    expect(parts[0]!.name).toBe(line!.part);
    expect(parts.slice(1).map(({ starts }) => starts)).toEqual(parts.slice(0, -1).map(({ ends }) => ends));
    expect((await t.api.signUp()).user.id).toBeTruthy();
    expect(await outside()).toBe(0);
  });

  it('Lines that no part can be made of are logged at each turn, and deleted like the others once they are over', async () => {
    await sweep();
    await t.database.query('DROP TABLE audit_events_old');
    await write('2020-01-01Z');
    await write(new Date(Date.now() - 200 * 86_400_000), 'outside');
    const before = warnings().length;
    await sweep();
    expect(warnings()).toHaveLength(before + 1);
    expect(await outside()).toBe(1);
    expect(await countOf(`reason = 'outside'`)).toBe(1);
  });

  it('A default part that has grown large becomes a part only where the owner asks for it', async () => {
    await beginMonthsAgo(2);
    await t.database.query(
      `INSERT INTO audit_events (type, outcome, note) SELECT 'login_failed', 'failure', repeat('x', 1800)
       FROM generate_series(1, 10001)`,
    );
    await sweep();
    expect(t.output()).toContain('audit_events_default is too large to become a part while requests wait');
    expect(await outside()).toBe(10_000);
    await t.database.query('SELECT audit_events_make_parts(3, true)');
    expect(await outside()).toBe(0);
    expect(await countOf(`length(note) = 1800`)).toBe(10_001);
  });
});
