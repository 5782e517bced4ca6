import { execFileSync } from 'node:child_process';
import { Logger } from '@nestjs/common';
import { loadConfig } from '../../src/config/load-config.js';
import { HostedService } from '../../src/hosted/hosted-service.js';
import { type Answer, type Api, PASSWORD } from '../support/api.js';
import { startInstance, type Instance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { Mailbox, SUBJECTS } from '../support/mailbox.js';
import { runMigrateWith } from '../support/migrate.js';
import { PostgresCluster } from '../support/postgres-cluster.js';
import { refusedStart, settleRestored } from '../support/restored.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';

// A backup in which sessions, passwords and links are as they were: what must not live again, does.
const POINT = { recovery_target_name: 'before' };
const NEXT_PASSWORD = 'another passphrase of a test';
const SECONDS = 60;

let cluster: PostgresCluster;
let mailbox: Mailbox;
const instances: Instance[] = [];

beforeAll(async () => {
  mailbox = await Mailbox.open();
});
beforeEach(async () => {
  cluster = await PostgresCluster.create();
  await runMigrateWith({ MIGRATION_DATABASE_URL: cluster.url, DATABASE_URL: cluster.servingUrl });
}, 60_000);
afterEach(async () => {
  await Promise.all(instances.splice(0).map((instance) => instance.kill('SIGKILL')));
  await cluster.remove();
});
afterAll(() => mailbox.stop());

async function start(env: Record<string, string> = {}): Promise<Instance> {
  const instance = await startInstance({ env: { DATABASE_URL: cluster.servingUrl, SMTP_URL: mailbox.url, ...env } });
  instances.push(instance);
  return instance;
}

async function stopAll(): Promise<void> {
  await Promise.all(instances.splice(0).map((instance) => instance.kill('SIGTERM')));
}

/** Writes down where the log is to be recovered to, and sees to it that the archive has it. */
async function mark(): Promise<void> {
  await cluster.query(`SELECT pg_create_restore_point('before')`);
}

/** People as they are in the backup. */
async function populate(api: Api) {
  const [kept, ended, changed, disabled, forgetful, admin] = await Promise.all(
    Array.from({ length: 6 }, () => api.signUp()),
  );
  await cluster.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [admin!.user.id]);
  await api.call('POST', '/auth/password/forgot', { body: { email: forgetful!.user.email } });
  const resetToken = await mailbox.tokenFor(forgetful!.user.email, SUBJECTS.reset);
  return {
    kept: kept!,
    ended: ended!,
    changed: changed!,
    disabled: disabled!,
    forgetful: forgetful!,
    admin: admin!,
    resetToken,
  };
}

type People = Awaited<ReturnType<typeof populate>>;

/** What happens to them after it. */
async function endAfterwards(api: Api, { ended, changed, disabled, admin, resetToken }: People): Promise<void> {
  const answers: Answer[] = [
    await api.logout(ended.refreshToken),
    await api.call('POST', '/auth/password/change', {
      bearer: changed.accessToken,
      body: { currentPassword: PASSWORD, newPassword: NEXT_PASSWORD },
    }),
    await api.call('POST', `/admin/users/${disabled.user.id}/disable`, {
      bearer: admin.accessToken,
      body: { reason: 'test' },
    }),
    await api.call('POST', '/auth/password/reset', { body: { token: resetToken, newPassword: NEXT_PASSWORD } }),
  ];
  expect(answers.map(({ status }) => status < 300)).toEqual([true, true, true, true]);
  for (const { accessToken } of [ended, changed, disabled]) expect((await api.me(accessToken)).status).toBe(401);
}

const numbersOf = () =>
  cluster.query<{ number: number }>('SELECT number FROM service_processes ORDER BY written_at DESC');

/** Waits until an instance has written once more that it serves the database. */
async function hasWrittenAgain(): Promise<void> {
  const [before] = await numbersOf();
  await until('it writes again', async () => (await numbersOf())[0]!.number > before!.number, SECONDS);
}

const causesOf = async () =>
  (await cluster.query<{ cause: string }>('SELECT cause FROM database_history ORDER BY number')).map(
    ({ cause }) => cause,
  );

const READY = { status: 200, body: { status: 'ok' } };
const NOT_READY = { status: 503, body: { code: 'database_went_back' } };
const ready = (api: Api) => api.call('GET', '/health/ready');

it('After a recovery to a point in time nothing lives again that was ended since, and without the command it does', async () => {
  const first = await start();
  const backup = await cluster.backup();
  const people = await populate(first.api);
  await mark();
  await endAfterwards(first.api, people);
  await stopAll();
  await cluster.restore(backup, POINT);

  for (let round = 0; round < 2; round++) {
    const [one, other] = await Promise.all([refusedStart(cluster.servingUrl), refusedStart(cluster.servingUrl)]);
    for (const output of [one, other]) {
      expect(output).toMatch(
        /restored from a backup: it is on timeline 2, and was served last on timeline 1, .*\(recovery_target_name=before\)/,
      );
      expect(output).toMatch(/npm run database:restored .*RESTORED=acknowledged/);
      expect(output).not.toMatch(/\n\s+at /);
    }
  }

  // The control: an operator who says that it is known.
  const { api: control } = await start({ RESTORED: 'acknowledged' });
  for (const person of [people.ended, people.changed, people.disabled]) {
    expect((await control.me(person.accessToken)).status).toBe(200);
    expect((await control.refresh(person.refreshToken)).status).toBe(200);
  }
  expect((await control.login(people.changed.credentials)).status).toBe(200);
  const reset = { body: { token: people.resetToken, newPassword: NEXT_PASSWORD } };
  expect((await control.call('POST', '/auth/password/reset', reset)).status).toBe(204);
  await stopAll();
  expect(await causesOf()).toEqual(['first', 'acknowledged']);

  await cluster.restore(backup, { ...POINT, recovery_target_timeline: '1' });
  await refusedStart(cluster.servingUrl);
  const [, { output, code }] = [await settleRestored(cluster.servingUrl, []), await settleRestored(cluster.servingUrl)];
  expect(code).toBe(0);
  expect(output).toMatch(/Ended 6 sessions\.\nWithdrew [1-9]\d* mailed links?\.\nReplaced 1 signing key\./);
  expect(output).toContain(people.admin.user.email);
  expect(output).toContain("'password_changed', 'password_reset', 'user_disabled'");

  const { api } = await start();
  for (const person of [people.kept, people.ended, people.changed, people.disabled, people.admin]) {
    // Its key is revoked as well, which is said first.
    expect((await api.me(person.accessToken)).status).toBe(401);
    expect(await api.refresh(person.refreshToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
  }
  expect((await api.call('POST', '/auth/password/reset', reset)).status).toBe(400);
  // What a backup does not have, no command knows: the former password is right again, and the account not disabled.
  const again = await api.login(people.changed.credentials);
  expect(again.status).toBe(200);
  expect((await api.sessions(again.body.accessToken)).body.items.map(({ id }) => id)).toEqual([again.body.session.id]);
  expect((await api.login(people.disabled.credentials)).status).toBe(200);
  expect(await causesOf()).toEqual(['first', 'sessions_ended']);

  // Run twice, for the passwords too, while the service runs.
  expect((await settleRestored(cluster.servingUrl, ['--yes', '--withdraw-passwords'])).output).toMatch(
    /Ended 2 sessions\.[^]*Withdrew 6 passwords\./,
  );
  expect((await settleRestored(cluster.servingUrl)).output).toContain('Ended 0 sessions.');
  await until('it serves again', async () => (await api.login(people.changed.credentials)).status === 401, SECONDS);
  expect((await api.me(again.body.accessToken)).status).toBe(401);
  await expectInvariants(cluster, { api, hasFaults: true, hasMissingRows: true });
}, 180_000);

it('A running instance serves nothing of a database that lacks what it was answered, until the command was run', async () => {
  const { api } = await start();
  const backup = await cluster.backup();
  const { kept, ended } = await populate(api);
  await mark();
  expect((await api.logout(ended.refreshToken)).status).toBe(204);
  await hasWrittenAgain();

  // Requests go on all the while.
  const statuses = new Set<number>();
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      for (const { accessToken } of [kept, ended]) statuses.add((await api.me(accessToken)).status);
    }
  })();
  await cluster.stop();
  statuses.clear();
  await cluster.restore(backup, POINT);
  await until('it has noticed', async () => (await ready(api)).body.code === 'database_went_back', SECONDS);
  isOver = true;
  await asking;
  expect([...statuses]).toEqual([503]);
  for (const answer of [await api.login(kept.credentials), await api.refresh(kept.refreshToken)]) {
    expect(answer).toMatchObject({ status: 503, body: { code: 'service_unavailable' } });
    expect(answer.headers.get('retry-after')).toBe('10');
  }
  expect(await ready(api)).toMatchObject(NOT_READY);
  expect((await api.call('GET', '/health/live')).status).toBe(200);
  expect(instances[0]!.output()).toContain('an instance was answered at');
  // One that remembers nothing, and starts now.
  expect(await refusedStart(cluster.servingUrl)).toContain('an instance was answered at');

  expect((await settleRestored(cluster.servingUrl)).code).toBe(0);
  await until('it serves again', async () => (await ready(api)).status === 200, SECONDS);
  for (const { accessToken } of [kept, ended]) expect((await api.me(accessToken)).status).toBe(401);
  expect((await api.login(kept.credentials)).status).toBe(200);
  const types = await cluster.query<{ type: string }>(
    `SELECT DISTINCT type FROM audit_events WHERE type LIKE 'database_%' ORDER BY type`,
  );
  expect(types.map(({ type }) => type)).toEqual(['database_restored', 'database_went_back']);
}, 120_000);

it('A running instance also notices that a snapshot of the disk was put back, which is on the same timeline', async () => {
  const { api } = await start();
  const { kept } = await populate(api);
  await cluster.stop();
  const snapshot = `${cluster.folder}/snapshot`;
  cluster.copyTo(snapshot);
  await cluster.start();
  await until('it serves', async () => (await ready(api)).status === 200, SECONDS);
  await hasWrittenAgain();
  await cluster.replaceBy(snapshot);
  await until('it has noticed', async () => (await ready(api)).body.code === 'database_went_back', SECONDS);
  expect((await api.me(kept.accessToken)).status).toBe(503);

  // An operator who knows better, and an instance that was not started by one.
  const { api: other } = await start({ RESTORED: 'acknowledged' });
  await until('both serve', async () => (await ready(api)).status === 200, SECONDS);
  for (const one of [api, other]) expect((await one.me(kept.accessToken)).status).toBe(200);
  // Without a running instance nothing says that it is older: docs say so.
  await stopAll();
  await cluster.replaceBy(snapshot);
  expect((await ready((await start()).api)).status).toBe(200);
}, 120_000);

it('A failover that loses nothing is no restore, for instances that run, restart or start during it', async () => {
  const [{ api }, restarting] = [await start(), await start()];
  const { kept, ended } = await populate(api);
  const standby = await cluster.standby();
  try {
    await hasWrittenAgain();
    expect((await api.logout(ended.refreshToken)).status).toBe(204);
    await cluster.hasSent(standby);
    await cluster.stop('crash');
    await restarting.kill('SIGKILL');

    // A standby may lack what was answered, so it serves nothing.
    const promoted = await standby.moveTo(cluster.port);
    try {
      for (let i = 0; i < 5; i++) expect((await api.me(kept.accessToken)).status).toBe(503);
      expect((await ready(api)).body.code).toBe('service_unavailable');
      await promoted.promote();
      await start();
      await until(
        'all serve',
        async () => {
          const answers = await Promise.all(
            instances
              .slice(0, 1)
              .concat(instances.slice(2))
              .map((one) => ready(one.api)),
          );
          return answers.every(({ status }) => status === 200);
        },
        SECONDS,
      );
      for (const one of [instances[0]!, instances[2]!]) {
        expect((await one.api.me(kept.accessToken)).status).toBe(200);
        expect((await one.api.me(ended.accessToken)).status).toBe(401);
      }
      await until('the promotion is known', async () => (await causesOf()).includes('promotion'), SECONDS);
      expect(await ready(api)).toMatchObject(READY);
      // The first instance alone, which remembers everything, would have recognised it as well.
      await stopAll();
      expect(await ready((await start()).api)).toMatchObject(READY);
      expect(await causesOf()).toEqual(['first', 'promotion']);
    } finally {
      await promoted.stop('crash');
    }
  } finally {
    await standby.remove();
  }
}, 120_000);

it('A failover that loses what an instance was answered is refused, unless the operator prefers to serve', async () => {
  const [{ api }, preferring] = [await start(), await start()];
  const { kept } = await populate(api);
  const standby = await cluster.standby();
  try {
    await cluster.hasSent(standby);
    // From now on the standby receives nothing.
    await standby.query(`ALTER SYSTEM SET primary_conninfo = ''`);
    await standby.query('SELECT pg_reload_conf()');
    await until(
      'it is alone',
      async () => (await cluster.query('SELECT FROM pg_stat_replication')).length === 0,
      SECONDS,
    );
    await hasWrittenAgain();
    await hasWrittenAgain();
    await cluster.stop('crash');
    await preferring.kill('SIGKILL');
    const promoted = await standby.moveTo(cluster.port);
    try {
      await promoted.promote();
      await until('it has noticed', async () => (await ready(api)).body.code === 'database_went_back', SECONDS);
      expect((await api.me(kept.accessToken)).status).toBe(503);
      const { api: other } = await start({ RESTORED: 'acknowledged' });
      await until('both serve', async () => (await ready(api)).status === 200, SECONDS);
      for (const one of [api, other]) expect((await one.me(kept.accessToken)).status).toBe(200);
    } finally {
      await promoted.stop('crash');
    }
  } finally {
    await standby.remove();
  }
}, 120_000);

it('A copy is not served where it was not served before: one of the same cluster, and a dump in another one', async () => {
  await start();
  await stopAll();
  await cluster.query('CREATE DATABASE copy TEMPLATE postgres');
  const copy = cluster.servingUrl.replace(/postgres$/, 'copy');
  const reason = /another database of the cluster than the one that was served last/;
  expect(await Promise.all([refusedStart(copy), refusedStart(copy)])).toEqual([
    expect.stringMatching(reason),
    expect.stringMatching(reason),
  ]);
  // The service within another application, which has the log.
  Logger.overrideLogger(false);
  const config = loadConfig({ ...SECRETS, DATABASE_URL: copy, ACCOUNT_PAGE: 'off' });
  await expect(HostedService.start(config, [])).rejects.toThrow(reason);
  // The one that it was copied from.
  expect(await ready((await start()).api)).toMatchObject(READY);

  const folder = process.env['POSTGRES_BIN'];
  if (folder !== undefined) {
    const other = await PostgresCluster.create();
    try {
      const dump = cluster.run(`${folder}/pg_dump`, '-d', cluster.url, '--no-owner');
      execFileSync(`${folder}/psql`, ['-q', '-d', other.url], { input: dump, stdio: ['pipe', 'ignore', 'inherit'] });
      expect(await refusedStart(other.servingUrl)).toContain('another cluster of PostgreSQL');
      expect((await settleRestored(other.servingUrl)).code).toBe(0);
      const instance = await startInstance({ env: { DATABASE_URL: other.servingUrl } });
      expect(await ready(instance.api)).toMatchObject(READY);
      await instance.kill('SIGTERM');
      // The same dump once more, in place.
      await other.query('DROP SCHEMA public CASCADE');
      await other.query('CREATE SCHEMA public');
      const own = dump.replaceAll(await systemIdentifierOf(cluster), await systemIdentifierOf(other));
      execFileSync(`${folder}/psql`, ['-q', '-d', other.url], { input: own, stdio: ['pipe', 'ignore', 'inherit'] });
      expect(await refusedStart(other.servingUrl)).toMatch(/from a dump|another database/);
    } finally {
      await other.remove();
    }
  }
}, 120_000);

async function systemIdentifierOf(one: PostgresCluster): Promise<string> {
  const [row] = await one.query<{ id: string }>('SELECT system_identifier::text AS id FROM pg_control_system()');
  return row!.id;
}
