import { Client } from 'pg';
import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { REVOKED, SsfReceiver, typeOf, UPDATED, VERIFICATION } from '../support/ssf.js';
import { until } from '../support/until.js';

// Who starts and stops a stream: -paused-stream-holds-events and -disabled-stream-drops-events of the OpenID conformance suite, in our
// words, and what staff and the end of a service client do.
const t = useInstances(2);
let staff: AuthResult;
let receiver: SsfReceiver;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

beforeEach(async () => {
  receiver = new SsfReceiver(t.a, await addClient(t.a, staff, 'signals'));
});

const byStaff = (id: string, disabled: boolean) =>
  t.b.call('PATCH', `/admin/receivers/${id}`, { bearer: staff.accessToken, body: { disabled } });

const endClient = () => t.b.call('DELETE', `/admin/clients/${receiver.client.id}`, { bearer: staff.accessToken });

async function logOutADevice(): Promise<string> {
  const device = await t.b.signUp();
  await t.a.logout(device.refreshToken);
  return device.session.id;
}

it('A stream is enabled, and what its receiver says of it is answered, with the reason', async () => {
  const { stream_id: id } = await receiver.create();
  expect(await receiver.statusOf(id)).toEqual({ stream_id: id, status: 'enabled' });
  for (const status of ['paused', 'disabled', 'enabled', 'paused', 'enabled']) {
    const set = await receiver.setStatus(id, status, `since a test said ${status}`);
    const expected = { stream_id: id, status, reason: `since a test said ${status}` };
    expect([set.status, set.body, await receiver.statusOf(id)]).toEqual([200, expected, expected]);
  }
  // The reason of before is not one of this.
  expect((await receiver.setStatus(id, 'paused')).body).toEqual({ stream_id: id, status: 'paused' });
  for (const wrong of ['stopped', 1, null]) {
    const { status, body } = await receiver.call('POST', 'status', { stream_id: id, status: wrong });
    expect([wrong, status, body.errors?.[0].field]).toEqual([wrong, 400, 'status']);
  }
});

it.each(['push', 'poll'])(
  'A paused stream by %s sends nothing, and all of it in its order once it is enabled',
  async (how) => {
    const pushed = how === 'push' ? await receiver.createPushed() : null;
    const id = pushed?.id ?? (await receiver.create({ events_requested: [REVOKED] })).stream_id;
    // Another one shows that what happened would have been sent by now.
    const other = await receiver.createPushed();
    await receiver.setStatus(id, 'paused');
    expect((await receiver.call('POST', 'verify', { stream_id: id, state: 'held' })).status).toBe(204);
    const sessions = [await logOutADevice(), await logOutADevice()];
    await receiver.pushed(other.server, 2);
    if (pushed) expect(pushed.server.received).toEqual([]);
    else expect(await receiver.poll(id)).toEqual({ sets: {}, moreAvailable: false });

    await receiver.setStatus(id, 'enabled');
    const events = await (pushed ? receiver.pushed(pushed.server, 3) : receiver.polled(id, 3));
    expect(events.filter((event) => typeOf(event) === VERIFICATION).map(({ events: e }) => e[VERIFICATION])).toEqual([
      { state: 'held' },
    ]);
    expect(
      events
        .filter((event) => typeOf(event) === REVOKED)
        .map(({ sub_id }) => sessionIn(sub_id))
        .toSorted(),
    ).toEqual(sessions.toSorted());
    await Promise.all([pushed?.server.stop(), other.server.stop()]);
  },
);

const sessionIn = (subject: unknown) => (subject as { session: { id: string } }).session.id;

it.each(['push', 'poll'])(
  'A disabled stream by %s keeps nothing of what happens, and sends again once it is enabled',
  async (how) => {
    const pushed = how === 'push' ? await receiver.createPushed() : null;
    const id = pushed?.id ?? (await receiver.create({ events_requested: [REVOKED] })).stream_id;
    await receiver.setStatus(id, 'disabled');
    // It is no error, and will not come.
    expect((await receiver.call('POST', 'verify', { stream_id: id, state: 'dropped' })).status).toBe(204);
    await logOutADevice();
    if (!pushed) expect(await receiver.poll(id)).toEqual({ sets: {}, moreAvailable: false });
    await receiver.setStatus(id, 'enabled');
    const session = await logOutADevice();
    await until('it is not too soon', async () => {
      const { status } = await receiver.call('POST', 'verify', { stream_id: id, state: 'sent' });
      return status === 204;
    });
    const events = await (pushed ? receiver.pushed(pushed.server, 2) : receiver.polled(id, 2));
    const said = events.map((event) =>
      typeOf(event) === REVOKED ? sessionIn(event.sub_id) : event.events[VERIFICATION],
    );
    expect(said).toHaveLength(2);
    expect(said).toEqual(expect.arrayContaining([session, { state: 'sent' }]));
    await pushed?.server.stop();
  },
);

it.each(['push', 'poll'])(
  'What staff disable is enabled by staff alone, and its receiver by %s is sent both',
  async (how) => {
    const pushed = how === 'push' ? await receiver.createPushed() : null;
    const id = pushed?.id ?? (await receiver.create({ events_requested: [REVOKED] })).stream_id;
    const events = (count: number) => (pushed ? receiver.pushed(pushed.server, count) : receiver.polled(id, count));
    expect((await byStaff(id, true)).status).toBe(200);
    const [disabled] = await events(1);
    expect(disabled!.sub_id).toEqual({ format: 'opaque', id });
    expect(disabled!.events).toEqual({ [UPDATED]: { status: 'disabled', reason: expect.any(String) } });

    const status = await receiver.statusOf(id);
    expect(status).toEqual({ stream_id: id, status: 'disabled', reason: expect.stringContaining('operator') });
    for (const wish of ['enabled', 'paused', 'disabled']) {
      const refused = await receiver.setStatus(id, wish, 'a wish');
      expect([wish, refused.status, refused.body.code]).toEqual([wish, 403, 'stream_disabled_by_staff']);
    }
    expect(await receiver.statusOf(id)).toEqual(status);
    await logOutADevice();

    expect((await byStaff(id, false)).status).toBe(200);
    const session = await logOutADevice();
    // About different things, so either may be pushed first.
    const rest = (await events(3)).slice(1);
    const enabled = rest.find((event) => typeOf(event) === UPDATED);
    const revoked = rest.find((event) => typeOf(event) === REVOKED);
    expect(enabled!.events).toEqual({ [UPDATED]: { status: 'enabled', reason: expect.any(String) } });
    expect(sessionIn(revoked!.sub_id)).toBe(session);
    expect(await receiver.statusOf(id)).toEqual({ stream_id: id, status: 'enabled' });
    await pushed?.server.stop();
  },
);

it('What staff disable after its client did is not enabled by its client either', async () => {
  const { id, server } = await receiver.createPushed();
  await receiver.setStatus(id, 'disabled', 'for now');
  await byStaff(id, true);
  expect((await receiver.setStatus(id, 'enabled')).status).toBe(403);
  expect((await receiver.statusOf(id)).reason).toContain('operator');
  // It was disabled before, so there was nothing to send of that.
  expect(await t.database.query('SELECT FROM deliveries WHERE receiver_id = $1', [id])).toEqual([]);
  await server.stop();
});

it('That staff disabled a stream is pushed again until it is taken', async () => {
  const { id, server } = await receiver.createPushed();
  server.answer = (_, response) => response.writeHead(server.received.length < 2 ? 503 : 202).end();
  // In a pause, since it took nothing.
  await logOutADevice();
  await receiver.pushed(server, 1);
  await byStaff(id, true);
  const found = await until('it is sent that it is disabled', async () =>
    (await receiver.pushed(server, 1)).find((event) => typeOf(event) === UPDATED),
  );
  expect(found.events[UPDATED]).toMatchObject({ status: 'disabled' });
  await server.stop();
});

it('A stream ends with its client: nothing is sent from then on, and staff cannot enable it', async () => {
  const other = new SsfReceiver(t.b, await addClient(t.a, staff, 'signals'));
  const control = await other.createPushed();
  const streams = [await receiver.createPushed(), await receiver.createPushed(), await receiver.createPushed()];
  await receiver.setStatus(streams[1]!.id, 'disabled');
  await byStaff(streams[2]!.id, true);
  await receiver.pushed(streams[2]!.server, 1);
  expect((await endClient()).status).toBe(204);
  await logOutADevice();
  await other.pushed(control.server, 1);
  for (const { id, server } of streams) {
    const refused = await byStaff(id, false);
    expect([refused.status, refused.body.errors]).toEqual([400, [{ field: 'disabled', message: expect.any(String) }]]);
    const { body } = await t.a.call('GET', `/admin/receivers/${id}`, { bearer: staff.accessToken });
    expect(body.disabledReason).toBe('client_ended');
    expect((await receiver.pushed(server, 0)).filter((event) => typeOf(event) !== UPDATED)).toEqual([]);
    await server.stop();
  }
  expect((await receiver.call('GET', 'streams')).status).toBe(401);
  await control.server.stop();
});

describe('While its client ends', () => {
  let ending: Client;

  beforeEach(async () => {
    ending = new Client({ connectionString: t.database.adminUrl });
    await ending.connect();
    await ending.query('BEGIN');
  });

  afterEach(() => ending.end());

  const waits = (words: string) =>
    until('the request waits', async () => {
      const rows = await t.database.query(
        `SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND strpos(query, $1) > 0`,
        [words],
      );
      return rows.length > 0;
    });

  const end = () => ending.query('UPDATE service_clients SET ended_at = now() WHERE id = $1', [receiver.client.id]);

  it('a stream that is being made is not', async () => {
    await end();
    const creating = receiver.call('POST', 'streams', {});
    await waits('service_clients');
    await ending.query('COMMIT');
    const { status, body } = await creating;
    expect([status, body.code]).toEqual([401, 'invalid_client']);
    expect(await t.database.query('SELECT FROM receivers WHERE client_id = $1', [receiver.client.id])).toEqual([]);
  });

  it('a stream that it had disabled is not enabled', async () => {
    const { stream_id: id } = await receiver.create();
    await receiver.setStatus(id, 'disabled');
    await end();
    const enabling = receiver.setStatus(id, 'enabled');
    await waits('UPDATE receivers');
    await ending.query('COMMIT');
    const { status, body } = await enabling;
    expect([status, body.code]).toEqual([401, 'invalid_client']);
    expect(await t.database.query('SELECT disabled_reason FROM receivers WHERE id = $1', [id])).toEqual([
      { disabled_reason: 'client_ended' },
    ]);
  });

  it('a stream that was made a moment before is disabled', async () => {
    await ending.query('ROLLBACK');
    const [created] = await Promise.all([receiver.call('POST', 'streams', {}), endClient()]);
    const rows = await t.database.query('SELECT disabled_reason FROM receivers WHERE client_id = $1', [
      receiver.client.id,
    ]);
    // One of both was first.
    expect(rows).toEqual(created.status === 201 || rows.length > 0 ? [{ disabled_reason: 'client_ended' }] : []);
  });
});

it('What a receiver says of its streams is in the audit trail', async () => {
  const { stream_id: id } = await receiver.create();
  await receiver.setStatus(id, 'paused');
  await receiver.call('DELETE', `streams?stream_id=${id}`);
  const lines = await t.database.query<{ type: string; note: string }>(
    'SELECT type, note FROM audit_events WHERE actor_id = $1 ORDER BY at, id',
    [receiver.client.id],
  );
  expect(lines.map(({ type, note }) => [type, note])).toEqual(
    expect.arrayContaining([
      ['receiver_created', id],
      ['receiver_changed', `${id} paused`],
      ['receiver_deleted', id],
    ]),
  );
});
