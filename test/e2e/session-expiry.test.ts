import { type AuthResult, PASSWORD } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { holdSessions } from '../support/held-rows.js';
import { useInstances } from '../support/instances.js';
import { TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

// What may come between the end of a session and that it is noticed.
const t = useInstances(1, { hasMissingRows: true });
const ENDED_AT = '2026-02-03T04:05:06.789Z';
let receiver: TestReceiver;
let receiverId: string;

beforeAll(async () => {
  receiver = await TestReceiver.open();
  const { accessToken: bearer } = await signUpStaff(t.a, t.database);
  const { body } = await t.a.call('POST', '/admin/receivers', {
    bearer,
    body: {
      url: receiver.url,
      kind: 'webhook',
      events: ['session.revoked', 'session.expired', 'user.deleted'],
      include: ['email'],
    },
  });
  receiverId = body.id;
});

afterAll(() => receiver.stop());

const end = ({ session }: AuthResult) =>
  t.database.query(`UPDATE sessions SET idle_expires_at = $2 WHERE id = $1`, [session.id, ENDED_AT]);

const signInAgain = async ({ user }: AuthResult): Promise<AuthResult> =>
  (await t.a.login({ email: user.email, password: PASSWORD })).body;

const linesOf = (devices: readonly AuthResult[]) =>
  t.database.query<{ sessionId: string; at: Date }>(
    `SELECT session_id AS "sessionId", at FROM audit_events WHERE type = 'session_expired' AND session_id = ANY($1)`,
    [devices.map(({ session }) => session.id)],
  );

it('One that expired before its account was deleted is an event before that of the account, also where nobody noticed it before', async () => {
  const current = await t.a.signUp();
  const [expired, noticed, revoked] = [
    await signInAgain(current),
    await signInAgain(current),
    await signInAgain(current),
  ];
  await t.a.logout(revoked.refreshToken);
  for (const device of [expired, noticed, revoked]) await end(device);
  // What was noticed has no row.
  await t.database.query(`DELETE FROM session_expiries WHERE session_id = $1`, [noticed.session.id]);
  const { id, email } = current.user;
  const answer = await t.a.call('POST', '/auth/me/delete', {
    bearer: current.accessToken,
    body: { password: PASSWORD },
  });
  expect(answer.status).toBe(204);

  const [event] = await receiver.events('session.expired', id);
  expect(event).toEqual({
    type: 'session.expired',
    timestamp: ENDED_AT,
    data: { userId: id, sessionId: expired.session.id, reason: 'expired', endedBy: 'system', email },
  });
  const rows = await t.database.query<{ event: string; sessionId: string | null }>(
    `SELECT event, session_id AS "sessionId" FROM deliveries WHERE receiver_id = $1 AND user_id = $2 ORDER BY position`,
    [receiverId, id],
  );
  expect(rows).toEqual([
    { event: 'session.revoked', sessionId: revoked.session.id },
    { event: 'session.revoked', sessionId: current.session.id },
    { event: 'session.expired', sessionId: expired.session.id },
    { event: 'user.deleted', sessionId: null },
  ]);
  expect(await linesOf([current, expired, noticed, revoked])).toEqual([
    { sessionId: expired.session.id, at: new Date(ENDED_AT) },
  ]);
});

it('One that is locked, by a deletion say, holds up no other, and is noticed once it is not', async () => {
  const [held, free] = [await t.a.signUp(), await t.a.signUp()];
  await end(held);
  await end(free);
  const rows = await holdSessions(t.database, [held.session.id]);
  await t.database.query(`UPDATE session_expiries SET look_at = $2 WHERE session_id = ANY($1)`, [
    [held.session.id, free.session.id],
    ENDED_AT,
  ]);
  try {
    await receiver.events('session.expired', free.user.id);
    expect(await linesOf([held])).toEqual([]);
  } finally {
    await rows.release();
  }
  await receiver.events('session.expired', held.user.id);
  await until('nothing is to be looked at', async () => {
    const left = await t.database.query(`SELECT FROM session_expiries WHERE session_id = ANY($1)`, [
      [held.session.id, free.session.id],
    ]);
    return left.length === 0;
  });
  expect(await linesOf([held, free])).toHaveLength(2);
}, 90_000);
