import { spawnSync } from 'node:child_process';
import { type Api, type AuthResult, PASSWORD } from '../support/api.js';
import { holdUsers } from '../support/held-rows.js';
import { useInstances } from '../support/instances.js';
import { SECRETS } from '../support/secrets.js';

const t = useInstances(2, { hasMissingRows: true });

// Every test makes its own staff.
beforeEach(() => t.database.query(`UPDATE users SET role = 'user' WHERE role = 'admin'`));

/** What `npm run admin:…` runs. */
function command(which: 'grant' | 'revoke' | 'enable', email?: string, env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [`dist/bin/admin-${which}.js`, ...(email === undefined ? [] : [email])],
    { env: { ...process.env, ...SECRETS, DATABASE_URL: t.database.url, ...env }, encoding: 'utf8' },
  );
  return { code: status, output: stdout + stderr };
}

async function signUpAdmin() {
  const admin = await t.a.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [admin.user.id]);
  return admin;
}

const disable = (api: Api, { accessToken }: AuthResult, { user }: AuthResult) =>
  api.call('POST', `/admin/users/${user.id}/disable`, { bearer: accessToken });
const remove = (api: Api, { accessToken }: AuthResult) =>
  api.call('POST', '/auth/me/delete', { bearer: accessToken, body: { password: PASSWORD } });
const enabledAdmins = async () =>
  (await t.database.query<{ id: string }>(`SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL`)).map(
    ({ id }) => id,
  );
const trailOf = (userId: string, type: string) =>
  t.database.query('SELECT outcome, actor_id, reason FROM audit_events WHERE user_id = $1 AND type = $2', [
    userId,
    type,
  ]);

/** Does things at the same moment: each waits for what the first of them touches, until all wait. */
async function atOnce<T>(ids: readonly string[], work: readonly (() => Promise<T>)[]): Promise<T[]> {
  const users = await holdUsers(t.database, ids);
  try {
    const answers = work.map((one) => one());
    await users.waiting('isEnabledAdmin', work.length);
    await users.release();
    return await Promise.all(answers);
  } finally {
    await users.release();
  }
}

it('The last enabled admin can be neither disabled, deleted nor demoted, and a refusal changes nothing', async () => {
  const admin = await signUpAdmin();
  const disabled = await signUpAdmin();
  expect((await disable(t.a, admin, disabled)).status).toBe(204);

  for (const answer of [await disable(t.b, admin, admin), await remove(t.a, admin)]) {
    expect([answer.status, answer.body.code]).toEqual([409, 'last_admin']);
  }
  const { code, output } = command('revoke', admin.credentials.email);
  expect([code, output]).toEqual([1, expect.stringContaining('the last admin')]);
  expect(await enabledAdmins()).toEqual([admin.user.id]);
  expect((await t.a.me(admin.accessToken)).body.role).toBe('admin');
  expect(await trailOf(admin.user.id, 'user_disabled')).toEqual([]);
  expect(await trailOf(admin.user.id, 'role_revoked')).toEqual([]);

  // Not the last any more.
  await signUpAdmin();
  expect((await disable(t.b, admin, admin)).status).toBe(204);
});

it('Of two admins who disable each other at the same moment at two instances, one stays enabled', async () => {
  for (let round = 0; round < 5; round++) {
    const [first, second] = [await signUpAdmin(), await signUpAdmin()];
    const ids = [first.user.id, second.user.id];
    const answers = await atOnce(ids, [() => disable(t.a, first, second), () => disable(t.b, second, first)]);
    expect(answers.map(({ status }) => status).toSorted((x, y) => x - y)).toEqual([204, 409]);
    expect(answers.find(({ status }) => status === 409)!.body.code).toBe('last_admin');
    expect(await enabledAdmins()).toEqual([answers[0]!.status === 204 ? first.user.id : second.user.id]);
    await t.database.query(`UPDATE users SET role = 'user' WHERE role = 'admin'`);
  }
}, 60_000);

it('Of two admins who delete their accounts at the same moment, one stays', async () => {
  const [first, second] = [await signUpAdmin(), await signUpAdmin()];
  const answers = await atOnce([first.user.id, second.user.id], [() => remove(t.a, first), () => remove(t.b, second)]);
  expect(answers.map(({ status }) => status).toSorted((x, y) => x - y)).toEqual([204, 409]);
  expect(await enabledAdmins()).toHaveLength(1);
});

it('A user who is no admin can delete the account while the row of an admin is locked', async () => {
  const [admin, user] = [await signUpAdmin(), await t.a.signUp()];
  const held = await holdUsers(t.database, [admin.user.id]);
  expect((await remove(t.a, user)).status).toBe(204);
  await held.release();
});

describe('the command line', () => {
  // Each call is a process of its own.
  jest.setTimeout(60_000);

  it('The command admin:revoke makes an admin a user from the next request on, and the audit trail records it once', async () => {
    const [admin] = [await signUpAdmin(), await signUpAdmin()];
    const users = () => t.b.call('GET', '/admin/users', { bearer: admin.accessToken });
    expect((await users()).status).toBe(200);
    for (let i = 0; i < 2; i++) {
      const { code, output } = command('revoke', admin.credentials.email.toUpperCase());
      expect([code, output]).toEqual([0, expect.stringContaining('is no admin')]);
    }
    expect((await users()).status).toBe(403);
    expect(await trailOf(admin.user.id, 'role_revoked')).toEqual([
      { outcome: 'success', actor_id: null, reason: 'admin' },
    ]);
  });

  it('The command admin:enable enables the account of the only admin, and the audit trail records it once', async () => {
    const admin = await signUpAdmin();
    await t.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [admin.user.id]);
    expect((await t.b.login(admin.credentials)).status).toBe(401);
    for (let i = 0; i < 2; i++) expect(command('enable', admin.credentials.email).code).toBe(0);
    expect((await t.b.login(admin.credentials)).body.user.role).toBe('admin');
    expect(await trailOf(admin.user.id, 'user_enabled')).toEqual([
      { outcome: 'success', actor_id: null, reason: null },
    ]);
  });

  it('The command admin:grant says when the new admin cannot log in, and why', async () => {
    const { credentials, user } = await t.a.signUp();
    const good = command('grant', credentials.email);
    expect([good.code, good.output]).toEqual([0, `${credentials.email} is an admin from the next request on.\n`]);

    const unconfirmed = command('grant', credentials.email, { EMAIL_VERIFICATION: 'required' });
    expect([unconfirmed.code, unconfirmed.output]).toEqual([0, expect.stringMatching(/not confirmed.*cannot log in/)]);

    await t.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    const disabled = command('grant', credentials.email);
    expect([disabled.code, disabled.output]).toEqual([0, expect.stringMatching(/disabled.*cannot log in/)]);
    expect(disabled.output).toContain(`npm run admin:enable -- ${credentials.email}`);
    expect(await trailOf(user.id, 'role_granted')).toHaveLength(1);
  });

  it('The command admin:revoke reports an unknown address, and every admin command without one prints its usage', () => {
    expect(command('revoke', 'nobody@example.com')).toEqual({
      code: 1,
      output: 'Nobody has registered as nobody@example.com.\n',
    });
    for (const which of ['grant', 'revoke', 'enable'] as const) {
      const { code, output } = command(which);
      expect([code, output]).toEqual([2, expect.stringContaining(`npm run admin:${which} --`)]);
    }
  });
});
