import { randomUUID } from 'node:crypto';
import type { AuthResult } from '../support/api.js';
import { addClient, basic, signUpStaff } from '../support/clients.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { type Instance, startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { ESTABLISHED, REVOKED, SsfReceiver, typeOf } from '../support/ssf.js';
import { until } from '../support/until.js';

// How events are fetched (RFC 8936): -stream-verification-poll-only, -ack-only, -poll-and-ack, -set-errs and -long-poll of the OpenID
// conformance suite, in our words.
// A database that is cut off is one of the stories.
const t = useInstances(2, { hasFaults: true });
let staff: AuthResult;
let receiver: SsfReceiver;
let id: string;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

beforeEach(async () => {
  receiver = new SsfReceiver(t.a, await addClient(t.a, staff, 'signals'));
  ({ stream_id: id } = await receiver.create({ events_requested: [ESTABLISHED, REVOKED] }));
});

const NOTHING = { sets: {}, moreAvailable: false };
const NOW = { returnImmediately: true };

const stateOf = async (jti: string) =>
  (await t.database.query<{ state: string }>('SELECT state FROM deliveries WHERE id = $1', [jti]))[0]?.state;

it('Without events the answer is empty, and comes at once where that is asked for', async () => {
  expect(await receiver.poll(id, NOW)).toEqual(NOTHING);
  expect(await receiver.poll(id, { maxEvents: 0 })).toEqual(NOTHING);
});

it('What is not acknowledged comes again, in the same order, at another instance too', async () => {
  const devices = [await t.a.signUp(), await t.b.signUp()];
  for (const device of devices) await t.b.logout(device.refreshToken);
  const events = await receiver.polled(id, 4);
  const again = await new SsfReceiver(t.b, receiver.client).polled(id, 4);
  expect(again.map(({ jti }) => jti)).toEqual(events.map(({ jti }) => jti));
  for (const { session } of devices) {
    const types = events.filter(({ txn }) => txn.includes(session.id)).map((event) => typeOf(event));
    expect(types).toEqual([ESTABLISHED, REVOKED]);
  }
});

it('An answer has as many as are asked for, and says that there are more', async () => {
  for (let i = 0; i < 3; i++) await t.a.signUp();
  const all = await receiver.polled(id, 3);
  const first = await receiver.poll(id, { ...NOW, maxEvents: 2 });
  expect([Object.keys(first.sets), first.moreAvailable]).toEqual([all.slice(0, 2).map(({ jti }) => jti), true]);
  const rest = await receiver.poll(id, { ...NOW, maxEvents: 2, ack: Object.keys(first.sets) });
  expect([Object.keys(rest.sets), rest.moreAvailable]).toEqual([[all[2]!.jti], false]);
});

it('Of one session, the first that is not acknowledged comes before what follows, also where that is taken', async () => {
  const device = await t.a.signUp();
  await t.a.logout(device.refreshToken);
  const [established, revoked] = await receiver.polled(id, 2);
  const rest = await receiver.poll(id, { ...NOW, ack: [revoked!.jti] });
  expect(Object.keys(rest.sets)).toEqual([established!.jti]);
});

it('Acknowledging alone answers no event, and what is unknown is passed over', async () => {
  await t.a.signUp();
  const [event] = await receiver.polled(id, 1);
  const other = new SsfReceiver(t.b, await addClient(t.a, staff, 'signals'));
  const { stream_id: otherId } = await other.create();
  await t.b.signUp();
  const [foreign] = await other.polled(otherId, 1);
  const ack = [event!.jti, foreign!.jti, 'unknown', '9b2f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61'];
  expect(await receiver.poll(id, { maxEvents: 0, ack })).toMatchObject({ sets: {} });
  expect([await stateOf(event!.jti), await stateOf(foreign!.jti)]).toEqual(['delivered', 'waiting']);
});

it('What a receiver could not use is given up, and staff see why in one line', async () => {
  await t.a.signUp();
  const [event] = await receiver.polled(id, 1);
  const setErrs = { [event!.jti]: { err: 'invalid_key', description: 'not\nknown here' }, unknown: { err: 'x' } };
  const { status, body } = await receiver.call(
    'POST',
    `streams/${id}/poll`,
    // What is said to be taken and not to be, was not.
    { maxEvents: 0, returnImmediately: true, ack: [event!.jti], setErrs },
    { 'content-language': 'en' },
  );
  expect([status, body]).toEqual([200, NOTHING]);
  expect(await receiver.poll(id, NOW)).toEqual(NOTHING);
  const shown = await t.a.call('GET', `/admin/receivers/${id}/deliveries`, { bearer: staff.accessToken });
  expect(shown.body.items).toMatchObject([{ id: event!.jti, state: 'dead', answer: 'invalid_key not known here' }]);
});

it.each([
  [{ maxEvents: -1 }, 'maxEvents'],
  [{ maxEvents: '5' }, 'maxEvents'],
  [{ maxEvents: 1.5 }, 'maxEvents'],
  [{ returnImmediately: 'yes' }, 'returnImmediately'],
  [{ ack: 'x' }, 'ack'],
  [{ ack: [1] }, 'ack'],
  [{ ack: [null] }, 'ack'],
  [{ setErrs: [] }, 'setErrs'],
  [{ setErrs: null }, 'setErrs'],
  [{ setErrs: 'x' }, 'setErrs'],
  [{ setErrs: { x: null } }, 'setErrs'],
  [{ setErrs: { x: 'invalid_key' } }, 'setErrs'],
  [{ setErrs: { x: {} } }, 'setErrs'],
  [{ setErrs: { x: { err: 1 } } }, 'setErrs'],
  [{ setErrs: { x: { err: 'x', description: {} } } }, 'setErrs'],
  [{ setErrs: { x: { err: 'x', description: 'a\u0000' } } }, 'setErrs.x.description'],
  [{ setErrs: { 'x\u0000': { err: 'x' } } }, 'setErrs'],
  [{ ack: ['x', '\ud800'] }, 'ack[1]'],
])('A poll with %j is 400, and says which member is wrong', async (request, field) => {
  const { status, body } = await receiver.call('POST', `streams/${id}/poll`, { ...NOW, ...request });
  expect([status, body.errors?.map((error: { field: string }) => error.field)]).toEqual([400, [field]]);
});

const named = (count: number) => Array.from({ length: count }, () => randomUUID());
const errorsFor = (ids: readonly string[], error: object = { err: 'invalid_key', description: 'unknown kid' }) =>
  Object.fromEntries(ids.map((jti) => [jti, error]));

it('A receiver may acknowledge a thousand events, and report errors of a thousand, in one poll', async () => {
  await t.a.signUp();
  await t.a.signUp();
  const [taken, failed] = await receiver.polled(id, 2);
  const request = {
    maxEvents: 0,
    ack: [...named(999), taken!.jti],
    setErrs: errorsFor([...named(999), failed!.jti], { err: 'invalid_key', description: 'x'.repeat(200) }),
  };
  expect(await receiver.poll(id, request)).toEqual(NOTHING);
  expect([await stateOf(taken!.jti), await stateOf(failed!.jti)]).toEqual(['delivered', 'dead']);
});

it.each<[string, () => object, string, RegExp]>([
  ['acknowledges', () => ({ ack: named(1001) }), 'ack', /at most 1000 values/],
  ['has errors of', () => ({ setErrs: errorsFor(named(1001)) }), 'setErrs', /at most 1000 values/],
])('A poll that %s more than a thousand events is 400, and says so of that member', async (_, request, field, why) => {
  const { status, body } = await receiver.call('POST', `streams/${id}/poll`, { ...NOW, ...request() });
  expect([status, body.code, body.errors]).toEqual([
    400,
    'validation_failed',
    [{ field, message: expect.stringMatching(why) }],
  ]);
});

it('A poll of far too many members, or of too many bytes, is refused as such', async () => {
  const most = await receiver.call('POST', `streams/${id}/poll`, { ...NOW, ack: Array(10_001).fill('x') });
  expect([most.status, most.body.detail]).toEqual([400, 'The JSON of the body has too many members.']);
  const long = await receiver.call('POST', `streams/${id}/poll`, { ...NOW, ack: ['x'.repeat(600_000)] });
  expect([long.status, long.body.code]).toEqual([413, 'body_too_large']);
});

it('Who may not poll learns nothing of a body, however long it is', async () => {
  const headers = { authorization: basic({ ...receiver.client, clientSecret: 'wrong' }) };
  const path = `streams/${id}/poll`;
  for (const body of [{ ack: named(1001) }, { ack: Array(10_001).fill('x') }]) {
    expect((await receiver.call('POST', path, body, headers)).status).toBe(401);
  }
});

it('A stream that is pushed cannot be polled', async () => {
  const { id: pushed, server } = await receiver.createPushed();
  expect((await receiver.call('POST', `streams/${pushed}/poll`, NOW)).status).toBe(404);
  await server.stop();
});

/** A poll of a client that may leave. */
const waitingPoll = (stream: string, signal: AbortSignal) =>
  fetch(`${t.a.url}/ssf/streams/${stream}/poll`, {
    method: 'POST',
    headers: { authorization: basic(receiver.client), 'content-type': 'application/json' },
    body: '{}',
    signal,
  });

it('A poll that waits is answered when something happens, at whichever instance', async () => {
  for (const [at, happens] of [
    [t.a, t.b],
    [t.b, t.a],
  ] as const) {
    const polling = new SsfReceiver(at, receiver.client).poll(id, {});
    await happens.signUp();
    const { sets } = await polling;
    expect(Object.keys(sets)).toHaveLength(1);
    await receiver.poll(id, { maxEvents: 0, ack: Object.keys(sets) });
  }
});

it('So many polls of a stream may wait, and no longer than their clients do', async () => {
  // Begins before the others, and so would end before them by itself.
  const { stream_id: control } = await receiver.create();
  const stays = new AbortController();
  let isOver = false;
  const controlling = waitingPoll(control, stays.signal)
    .catch(() => null)
    .finally(() => (isOver = true));
  const clients = Array.from({ length: 12 }, () => new AbortController());
  const refused: Response[] = [];
  const waiting = clients.map(async ({ signal }) => {
    const answer = await waitingPoll(id, signal).catch(() => null);
    if (answer) refused.push(answer);
  });
  await until('two are too many', () => refused.length === 2);
  for (const { status, headers } of refused) expect([status, headers.has('retry-after')]).toEqual([429, true]);
  const outcome = async () => {
    const client = new AbortController();
    const status = waitingPoll(id, client.signal).then(
      ({ status: found }) => found,
      () => 0,
    );
    const pause = new Promise<'waits'>((resolve) => setTimeout(resolve, 500, 'waits'));
    const found = await Promise.race([status, pause]);
    client.abort();
    return found;
  };
  expect(await outcome()).toBe(429);
  for (const client of clients) client.abort();
  await Promise.all(waiting);
  await until('there is room again', async () => (await outcome()) === 'waits');
  expect(isOver).toBe(false);
  stays.abort();
  await controlling;
  await receiver.call('DELETE', `streams?stream_id=${control}`);
});

describe('At an instance of its own', () => {
  let instance: Instance;
  let proxy: DatabaseProxy;
  let local: SsfReceiver;

  beforeEach(async () => {
    proxy = await startDatabaseProxy(t.database.url);
    instance = await startInstance({ env: { DATABASE_URL: proxy.url } });
    local = new SsfReceiver(instance.api, receiver.client);
  });

  afterEach(async () => {
    await instance.kill('SIGTERM');
    proxy.stop();
  });

  it('polls that wait are answered when the service stops, which does not wait for them', async () => {
    // Begins before, elsewhere, and would end by itself.
    const stays = new AbortController();
    const control = waitingPoll(id, stays.signal).then(
      () => 'control',
      () => 'left',
    );
    const polls = Promise.all(Array.from({ length: 5 }, () => local.poll(id, {})));
    await local.poll(id, NOW);
    const stopped = instance.kill('SIGTERM');
    expect(await Promise.race([control, stopped])).toBe(0);
    expect(await polls).toEqual(Array.from({ length: 5 }, () => NOTHING));
    stays.abort();
    expect(await control).toBe('left');
  });

  it('a poll that waits is 503 where the database does not answer', async () => {
    const waiting = local.call('POST', `streams/${id}/poll`, {});
    await local.poll(id, NOW);
    proxy.cut();
    const { status, headers } = await waiting;
    expect([status, headers.has('retry-after')]).toEqual([503, true]);
    const { status: later } = await local.call('POST', `streams/${id}/poll`, NOW);
    expect(later).toBe(503);
    proxy.restore();
    await until(
      'it is answered again',
      async () => (await local.call('POST', `streams/${id}/poll`, NOW)).status === 200,
    );
  });
});
