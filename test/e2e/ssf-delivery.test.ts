import type { Api, AuthResult } from '../support/api.js';
import { PASSWORD } from '../support/api.js';
import { addClient, signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { CREDENTIAL, ESTABLISHED, ISSUER, REVOKED, SsfReceiver, typeOf, VERIFICATION } from '../support/ssf.js';
import { until } from '../support/until.js';

// What events say and how they come: openid-ssf-transmitter-stream-verification-* and -stream-caep-interop of the OpenID
// conformance suite, in our words.
const t = useInstances(2);
let staff: AuthResult;
let receiver: SsfReceiver;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

beforeEach(async () => {
  receiver = new SsfReceiver(t.a, await addClient(t.a, staff, 'signals'));
});

/** The one event about a session, as a stream has it after what was done to the session. */
async function eventAfter(work: (device: AuthResult) => Promise<unknown>, event = REVOKED) {
  const { stream_id: id } = await receiver.create({ events_requested: [event] });
  const device = await t.b.signUp();
  const begun = Math.floor(Date.now() / 1000);
  await work(device);
  const found = await until('the event', async () => {
    const events = await receiver.polled(id, 1);
    return events.find(({ txn }) => txn.includes(device.session.id) || txn.includes(device.user.id));
  });
  const { event_timestamp, ...said } = found.events[event]!;
  // In seconds, as all times of a token.
  expect(Number.isInteger(event_timestamp)).toBe(true);
  expect(event_timestamp).toBeGreaterThanOrEqual(begun - 60);
  expect(event_timestamp).toBeLessThanOrEqual(found.iat);
  return { found, said, device };
}

const ofSession = ({ user, session }: AuthResult) => ({
  format: 'complex',
  user: { format: 'iss_sub', iss: ISSUER, sub: user.id },
  session: { format: 'opaque', id: session.id },
});

it('What is pushed is one token, in the form of RFC 8935, with the header that was asked for', async () => {
  const { server, first } = await receiver.createPushed({}, { authorization_header: 'Bearer of-the-receiver' });
  const device = await t.b.signUp();
  await t.b.logout(device.refreshToken);
  const event = await first();
  expect(server.received[0]!.headers).toMatchObject({
    'content-type': 'application/secevent+jwt',
    accept: 'application/json',
    authorization: 'Bearer of-the-receiver',
  });
  expect([typeOf(event), event.sub_id]).toEqual([REVOKED, ofSession(device)]);
  await server.stop();
});

it('Without a header that was asked for there is none', async () => {
  const { id, server, first } = await receiver.createPushed();
  await receiver.call('POST', 'verify', { stream_id: id });
  await first();
  expect(server.received[0]!.headers).not.toHaveProperty('authorization');
  await server.stop();
});

it('What a receiver refuses by an error of RFC 8935 is pushed again, as the same event', async () => {
  const { server } = await receiver.createPushed();
  server.answer = (_, response) =>
    server.received.length < 2
      ? response
          .writeHead(400, { 'content-type': 'application/json' })
          .end(JSON.stringify({ err: 'authentication_failed', description: 'not now' }))
      : response.writeHead(202).end();
  const device = await t.b.signUp();
  await t.b.logout(device.refreshToken);
  const [first, second] = await receiver.pushed(server, 2);
  expect([second!.jti, second!.events]).toEqual([first!.jti, first!.events]);
  const [kept] = await until('it is noted', () =>
    t.database
      .query(`SELECT status, attempts FROM deliveries WHERE id = $1 AND state = 'delivered'`, [first!.jti])
      .then((rows) => rows.length > 0 && rows),
  );
  expect(kept).toEqual({ status: 202, attempts: 2 });
  await server.stop();
});

it.each(['push', 'poll'])('A verification event of a stream by %s has the state of its request', async (method) => {
  const pushed = method === 'push' ? await receiver.createPushed() : null;
  const id = pushed?.id ?? (await receiver.create()).stream_id;
  const events = (count: number) => (pushed ? receiver.pushed(pushed.server, count) : receiver.polled(id, count));
  for (const [i, state] of ['VGhpcyBpcyBhIHN0YXRl', undefined].entries()) {
    const asked = await until('it is not too soon', async () => {
      const { status, body } = await receiver.call('POST', 'verify', { stream_id: id, ...(state && { state }) });
      return status !== 429 && [status, body];
    });
    expect(asked).toEqual([204, null]);
    const event = (await events(i + 1))[i]!;
    expect(event.sub_id).toEqual({ format: 'opaque', id });
    // An event without a state has none, as one that nobody asked for.
    expect(event.events).toEqual({ [VERIFICATION]: state === undefined ? {} : { state } });
  }
  await pushed?.server.stop();
});

it('Verification events that are asked for too often are refused, and say when', async () => {
  const { stream_id } = await receiver.create();
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, i) =>
      new SsfReceiver(i % 2 ? t.a : t.b, receiver.client).call('POST', 'verify', { stream_id }),
    ),
  );
  const refused = answers.filter(({ status }) => status === 429);
  // Those that take longer than a second to get there are not too often.
  expect(refused.length).toBeGreaterThan(0);
  for (const { headers } of refused) expect(headers.get('retry-after')).toBe('1');
  const { sets } = await receiver.poll(stream_id);
  expect(Object.keys(sets)).toHaveLength(answers.filter(({ status }) => status === 204).length);
});

it('A logout is the act of a user, and says why for the log of the receiver', async () => {
  const { found, said, device } = await eventAfter(({ refreshToken }) => t.b.logout(refreshToken));
  expect(found.sub_id).toEqual(ofSession(device));
  expect(said).toEqual({ initiating_entity: 'user', reason_admin: { en: 'logout' } });
});

it('A session that staff end was ended by an administrator', async () => {
  const { said } = await eventAfter(({ user }) =>
    t.a.call('POST', `/admin/users/${user.id}/disable`, { bearer: staff.accessToken }),
  );
  expect(said).toEqual({ initiating_entity: 'admin', reason_admin: { en: 'user_disabled' } });
});

it('A session that expired was ended by a policy, when it expired and not when that was noticed', async () => {
  const endedAt = Math.floor(Date.now() / 1000) - 45;
  const { said, found } = await eventAfter(async ({ session }) => {
    await t.database.query(`UPDATE sessions SET idle_expires_at = to_timestamp($2) WHERE id = $1`, [
      session.id,
      endedAt,
    ]);
    await t.database.query(`UPDATE session_expiries SET look_at = now() - interval '1 minute' WHERE session_id = $1`, [
      session.id,
    ]);
  });
  expect(said).toEqual({ initiating_entity: 'policy', reason_admin: { en: 'expired' } });
  expect(found.events[REVOKED]!['event_timestamp']).toBe(endedAt);
}, 60_000);

it('A stolen refresh token that comes back ended its session by the system', async () => {
  const { said } = await eventAfter(async ({ refreshToken }) => {
    const { body } = await t.b.refresh(refreshToken);
    await t.b.refresh(body.refreshToken);
    expect((await t.b.refresh(refreshToken)).status).toBe(401);
  });
  expect(said).toEqual({ initiating_entity: 'system', reason_admin: { en: 'refresh_token_reuse' } });
});

it('A new session is established by its user', async () => {
  const { found, said, device } = await eventAfter(() => Promise.resolve(), ESTABLISHED);
  expect(found.sub_id).toEqual(ofSession(device));
  expect(said).toEqual({ initiating_entity: 'user' });
});

it('A change of the password is one of a credential, with all that the standard requires', async () => {
  const { found, said, device } = await eventAfter(({ accessToken }) => changePassword(t.b, accessToken), CREDENTIAL);
  expect(found.sub_id).toEqual({ format: 'iss_sub', iss: ISSUER, sub: device.user.id });
  expect(said).toEqual({
    credential_type: 'password',
    change_type: 'update',
    initiating_entity: 'user',
    reason_admin: { en: expect.any(String) },
  });
});

const changePassword = async (api: Api, bearer: string) => {
  const body = { currentPassword: PASSWORD, newPassword: 'another passphrase of a test' };
  expect((await api.call('POST', '/auth/password/change', { bearer, body })).status).toBe(200);
};

it('Two receivers get tokens of their own for one event, which name the same transaction', async () => {
  const other = new SsfReceiver(t.b, await addClient(t.a, staff, 'signals'));
  const [one, two] = [await receiver.createPushed(), await other.createPushed()];
  const device = await t.b.signUp();
  await t.a.logout(device.refreshToken);
  // Each verifies that it is the audience.
  const [a, b] = [await receiver.pushed(one.server, 1), await other.pushed(two.server, 1)];
  expect(a[0]!.txn).toBe(b[0]!.txn);
  expect(a[0]!.jti).not.toBe(b[0]!.jti);
  await Promise.all([one.server.stop(), two.server.stop()]);
});

it('Only events that were requested come', async () => {
  const { id, server } = await receiver.createPushed({ events_requested: [CREDENTIAL] });
  const device = await t.b.signUp();
  await changePassword(t.b, device.accessToken);
  await receiver.pushed(server, 1);
  await receiver.call('PATCH', 'streams', { stream_id: id, events_requested: [REVOKED] });
  await t.a.call('POST', `/admin/users/${device.user.id}/disable`, { bearer: staff.accessToken });
  const events = await receiver.pushed(server, 2);
  expect(events.map((event) => typeOf(event))).toEqual([CREDENTIAL, REVOKED]);
  await server.stop();
});
