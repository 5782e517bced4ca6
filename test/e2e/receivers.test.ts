import type { ServerResponse } from 'node:http';
import type { Answer, AuthResult } from '../support/api.js';
import { addClient, basic, signUpStaff } from '../support/clients.js';
import { startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

// The routes of /admin/receivers, as a client of the API uses them.
const t = useInstances(1);
const NO_ID = '7b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61';
// Nothing is sent for it by itself: no test here lets a session expire.
const HOOK = { url: 'https://hooks.example.com/latchkey', kind: 'webhook', events: ['session.expired'] };
let staff: AuthResult;
let receiver: TestReceiver;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  receiver = await TestReceiver.open();
});

afterAll(() => receiver.stop());

const admin = (method: string, path: string, body?: unknown) =>
  t.a.call(method, `/admin/receivers${path}`, { bearer: staff.accessToken, ...(body !== undefined && { body }) });

async function add(others: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await admin('POST', '', { ...HOOK, ...others });
  expect([status, body.errors]).toEqual([201, undefined]);
  return body.id;
}

function expectRefused({ status, body, headers }: Answer, field: string, message: RegExp): void {
  expect(headers.get('content-type')).toContain('application/problem+json');
  expect([status, body.code, body.errors]).toEqual([
    400,
    'validation_failed',
    [{ field, message: expect.stringMatching(message) }],
  ]);
}

const BAD: [string, Record<string, unknown>, string, RegExp][] = [
  ['no URL', { url: 'billing' }, 'url', /^must be an https URL/],
  ['a URL that is no text', { url: 7 }, 'url', /must be a string/],
  ['a URL of http', { url: 'http://hooks.example.com/' }, 'url', /^must begin with https:/],
  ['credentials in the URL', { url: 'https://me:word@example.com/' }, 'url', /^must have no credentials/],
  ['a fragment', { url: 'https://example.com/#here' }, 'url', /^must have no fragment/],
  ['a URL that is too long', { url: `https://example.com/${'a'.repeat(2048)}` }, 'url', /at most 2048 characters/],
  [
    'a line break in the URL',
    { url: 'https://example.com/\nINFO fake line' },
    'url',
    /^must not contain .*control char/,
  ],
  ['a URL that turns the line around', { url: 'https://example.com/\u202egnp' }, 'url', /text direction/],
  ['a blank before the URL', { url: ' https://example.com/' }, 'url', /^must not contain blanks/],
  ['half a character in the URL', { url: 'https://example.com/\ud800' }, 'url', /^must not contain control/],
  ['a private address', { url: 'https://10.0.0.1/' }, 'url', /^must not lead to a private/],
  ['an unknown event', { events: ['session.paused'] }, 'events', /^must be a list of at least one of session.created/],
  ['an event twice', { events: ['user.created', 'user.created'] }, 'events', /each once$/],
  ['no event', { events: [] }, 'events', /at least one of/],
  ['events that are no list', { events: 'session.revoked' }, 'events', /^must be a list/],
  ['null for a list', { events: null }, 'events', /^must be a list/],
  ['an audience, which a webhook has not', { audience: 'billing' }, 'audience', /^must be left out for a webhook/],
  ['more than an address', { include: ['email', 'password'] }, 'include', /^must be a list of email/],
  ['a description that is too long', { description: 'a'.repeat(201) }, 'description', /more than 200 characters/],
  ['a description that turns the line around', { description: 'a\u202eb' }, 'description', /text direction/],
  ['a field that is not there', { secret: 'whsec_mine' }, 'secret', /^is not expected here/],
];
const BAD_TO_ADD: typeof BAD = [
  ['no URL at all', { url: undefined }, 'url', /^is required$/],
  ['no kind', { kind: undefined }, 'kind', /^is required$/],
  ['a kind that is none', { kind: 'pigeon' }, 'kind', /^must be one of webhook, backchannel_logout, ssf_push$/],
  ['a stream that is polled', { kind: 'ssf_poll' }, 'kind', /^must be one of/],
  [
    'an event that is no end, for a logout token',
    { kind: 'backchannel_logout', events: ['user.created'] },
    'events',
    /^must be some of session.revoked, session.expired, user.deleted for/,
  ],
  [
    'an address, for a logout token',
    { kind: 'backchannel_logout', include: ['email'] },
    'include',
    /^must be left out/,
  ],
];
const BAD_TO_CHANGE: typeof BAD = [
  ['another kind', { kind: 'backchannel_logout' }, 'kind', /^is not expected here$/],
  ['disabled that is no truth', { disabled: 'yes' }, 'disabled', /^must be true or false$/],
];

it.each([...BAD, ...BAD_TO_ADD])(
  'A receiver with %s is not added, and the answer says so',
  async (_, wrong, field, message) => {
    const before = (await admin('GET', '')).body.items.length;
    expectRefused(await admin('POST', '', { ...HOOK, ...wrong }), field, message);
    expect((await admin('GET', '')).body.items).toHaveLength(before);
  },
);

describe('changing a receiver', () => {
  let id: string;
  beforeAll(async () => (id = await add({ description: 'as it was' })));

  it.each([...BAD, ...BAD_TO_CHANGE])(
    'To %s it is not changed, and the answer says so',
    async (_, wrong, field, message) => {
      const before = (await admin('GET', `/${id}`)).body;
      expectRefused(await admin('PATCH', `/${id}`, wrong), field, message);
      expect((await admin('GET', `/${id}`)).body).toEqual(before);
    },
  );

  it('What is left out stays, and nothing at all changes nothing', async () => {
    const before = (await admin('GET', `/${id}`)).body;
    const { body } = await admin('PATCH', `/${id}`, { events: ['user.created'] });
    expect(body).toEqual({ ...before, events: ['user.created'] });
    expect(await admin('PATCH', `/${id}`, {})).toMatchObject({ status: 200, body });
  });

  it('Null removes what may be missing, and what was read can be sent back', async () => {
    const partner = await add({ kind: 'backchannel_logout', audience: 'billing', description: 'as it was' });
    const { body: nameless } = await admin('PATCH', `/${partner}`, { description: null });
    expect(nameless).toMatchObject({ description: null, audience: 'billing' });
    const { url, events, include, algorithm } = nameless;
    const whole = { url, events, include, algorithm, audience: null, description: null };
    expect(await admin('PATCH', `/${partner}`, whole)).toMatchObject({ status: 200, body: { audience: null } });
    expect(await admin('POST', '', { ...HOOK, audience: null, description: null })).toMatchObject({
      status: 201,
      body: { audience: null, description: null },
    });
  });

  it('Each change is in the audit trail with who made it, from where, and what it was; one that changes nothing is not', async () => {
    const changed = await add({ url: receiver.url });
    const patch = { url: `${receiver.url}/next`, events: ['user.created'], include: ['email'] };
    await admin('PATCH', `/${changed}`, patch);
    await admin('PATCH', `/${changed}`, {});
    await admin('PATCH', `/${changed}`, { disabled: true });
    const { secret } = (await admin('POST', `/${changed}/secret`)).body;
    await admin('POST', `/${changed}/test`);
    await admin('PATCH', `/${changed}`, { disabled: false });
    const test = (await admin('POST', `/${changed}/test`)).body;
    await admin('POST', `/${changed}/deliveries/${test.id}/redeliver`);
    await admin('POST', `/${changed}/deliveries/${NO_ID}/redeliver`);
    await admin('DELETE', `/${changed}`);
    const { body } = await t.a.call('GET', '/admin/audit?limit=100', { bearer: staff.accessToken });
    const lines = body.items.filter(({ note }: { note: string | null }) => note?.startsWith(changed));
    expect(lines.map(({ type, note }: { type: string; note: string }) => [type, note])).toEqual([
      ['receiver_deleted', `${changed} ${patch.url}`],
      ['receiver_changed', `${changed} redeliver ${test.id}`],
      ['receiver_changed', `${changed} test`],
      ['receiver_changed', `${changed} {"disabled":false}`],
      ['receiver_changed', `${changed} secret`],
      ['receiver_changed', `${changed} {"disabled":true}`],
      ['receiver_changed', `${changed} ${JSON.stringify(patch)}`],
      ['receiver_created', `${changed} ${receiver.url}`],
    ]);
    for (const line of lines) {
      expect(line).toMatchObject({ actorId: staff.user.id, outcome: 'success', ip: '127.0.0.1' });
      expect(JSON.stringify(line)).not.toContain(secret);
    }
  });
});

it('Of the stream of a service client staff change nothing that the client decides, and may disable it', async () => {
  const client = await addClient(t.a, staff, 'signals');
  const stream = await t.a.call('POST', '/ssf/streams', {
    headers: { authorization: basic(client) },
    body: {
      delivery: { method: 'urn:ietf:rfc:8936' },
      events_requested: ['https://schemas.openid.net/secevent/caep/event-type/session-revoked'],
    },
  });
  expect(stream.status).toBe(201);
  const { items } = (await admin('GET', '')).body;
  const { id, kind } = items[0];
  expect(kind).toBe('ssf_poll');
  for (const [field, value] of [
    ['url', 'https://elsewhere.example.com/'],
    ['events', ['session.created']],
    ['audience', 'elsewhere'],
  ] as const) {
    expectRefused(await admin('PATCH', `/${id}`, { [field]: value }), field, /^cannot be changed: this is the stream/);
  }
  expect((await admin('PATCH', `/${id}`, { description: 'Partner', disabled: true })).body).toMatchObject({
    description: 'Partner',
    disabledReason: 'staff',
  });
  expect((await admin('POST', `/${id}/secret`)).body.code).toBe('no_receiver_secret');
});

it('One of logout tokens can be disabled and described where JWT_ALGORITHM is HS256 now, and none can be added', async () => {
  const logout = { kind: 'backchannel_logout', events: ['session.expired'] };
  const id = await add(logout);
  const shared = await startInstance({ env: { DATABASE_URL: t.database.url, JWT_ALGORITHM: 'HS256' } });
  const { accessToken: bearer } = await signUpStaff(shared.api, t.database);
  const call = (method: string, path: string, body: object) =>
    shared.api.call(method, `/admin/receivers${path}`, { bearer, body });
  expect((await call('PATCH', `/${id}`, { description: 'x', disabled: true })).body.disabledReason).toBe('staff');
  expectRefused(
    await call('POST', '', { ...HOOK, ...logout }),
    'kind',
    /^must be webhook where JWT_ALGORITHM is HS256/,
  );
  await shared.kill('SIGTERM');
});

it('A receiver that is not there is not found, by every route, whatever its id looks like', async () => {
  const deleted = await add();
  expect((await admin('DELETE', `/${deleted}`)).status).toBe(204);
  for (const id of [NO_ID, deleted, 'not-a-uuid', '1', '%00', 'constructor']) {
    for (const [method, path, body] of [
      ['GET', ''],
      ['PATCH', '', { description: 'x' }],
      ['DELETE', ''],
      ['POST', '/secret'],
      ['POST', '/test'],
      ['GET', '/deliveries'],
      ['GET', `/deliveries/${NO_ID}`],
      ['POST', `/deliveries/${NO_ID}/redeliver`],
    ] as const) {
      const answer = await admin(method, `/${id}${path}`, body);
      expect([id, method, path, answer.status, answer.body.code]).toEqual([
        id,
        method,
        path,
        404,
        'receiver_not_found',
      ]);
    }
  }
});

it('Only staff have them', async () => {
  const id = await add();
  const { accessToken } = await t.a.signUp();
  for (const [method, path] of [
    ['GET', ''],
    ['POST', ''],
    ['GET', `/${id}`],
    ['GET', `/${NO_ID}`],
    ['PATCH', `/${id}`],
    ['DELETE', `/${id}`],
    ['POST', `/${id}/secret`],
    ['POST', `/${id}/test`],
    ['GET', `/${id}/deliveries`],
    ['GET', `/${id}/deliveries/${NO_ID}`],
    ['POST', `/${id}/deliveries/${NO_ID}/redeliver`],
  ] as const) {
    const call = (bearer?: string) =>
      t.a.call(method, `/admin/receivers${path}`, {
        ...(bearer !== undefined && { bearer }),
        ...(['POST', 'PATCH'].includes(method) && { body: HOOK }),
      });
    expect([method, path, (await call(accessToken)).status]).toEqual([method, path, 403]);
    expect([method, path, (await call()).status]).toEqual([method, path, 401]);
  }
  expect((await admin('GET', `/${id}`)).status).toBe(200);
});

describe('pages', () => {
  async function pagesOf(path: string): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const { status, body }: Answer = await admin(
        'GET',
        `${path}${path.includes('?') ? '&' : '?'}limit=2${cursor ? `&cursor=${cursor}` : ''}`,
      );
      expect(status).toBe(200);
      expect(body.items.length).toBeLessThanOrEqual(2);
      ids.push(...body.items.map((item: { id: string }) => item.id));
      cursor = body.nextCursor;
    } while (cursor !== null);
    return ids;
  }

  it('Receivers have pages: each once, the newest first, also of the same moment', async () => {
    for (let count = 0; count < 5; count++) await add();
    await t.database.query(`UPDATE receivers SET created_at = date_trunc('second', now()) WHERE url = $1`, [HOOK.url]);
    const rows = await t.database.query(`SELECT id FROM receivers ORDER BY created_at DESC, id DESC`);
    expect(await pagesOf('')).toEqual(rows.map(({ id }) => id));
  });

  it('So have deliveries, and those in one state', async () => {
    const id = await add();
    await t.database.query(
      `INSERT INTO deliveries (receiver_id, event, about, at, state, next_attempt_at, finished_at)
       SELECT $1, 'user.created', gen_random_uuid(), date_trunc('hour', now()) - i / 3 * interval '1 minute',
         CASE WHEN i % 2 = 0 THEN 'dead' ELSE 'delivered' END, now(), now() FROM generate_series(1, 9) AS i`,
      [id],
    );
    const rows = await t.database.query(
      `SELECT id, state FROM deliveries WHERE receiver_id = $1 ORDER BY at DESC, id DESC`,
      [id],
    );
    expect(await pagesOf(`/${id}/deliveries`)).toEqual(rows.map((row) => row['id']));
    const dead = rows.filter(({ state }) => state === 'dead').map((row) => row['id']);
    expect(dead).toHaveLength(4);
    expect(await pagesOf(`/${id}/deliveries?state=dead`)).toEqual(dead);
  });

  it.each([
    ['limit', '0'],
    ['limit', '101'],
    ['cursor', 'made-up'],
    ['state', 'lost'],
    ['receiver', 'x'],
  ])('One that is asked for by %s=%s is refused', async (field, value) => {
    const id = await add();
    expectRefused(await admin('GET', `/${id}/deliveries?${field}=${value}`), field, /./);
  });
});

describe('deliveries', () => {
  afterEach(() => {
    receiver.answer = null;
    receiver.received.length = 0;
  });
  const refuse = (_: unknown, response: ServerResponse) =>
    response.writeHead(422).end('not like this\nat billing.js:7');
  const delivery = async (id: string, deliveryId: string) =>
    (await admin('GET', `/${id}/deliveries/${deliveryId}`)).body;
  const whenTried = (id: string, deliveryId: string, attempts: number) =>
    until(`attempt ${attempts}`, async () => {
      const found = await delivery(id, deliveryId);
      return found.attempts >= attempts && found.answer !== null && found;
    });

  it('A test that fails says how often it was tried, what the answer was, and when it is tried next', async () => {
    const id = await add({ url: receiver.url });
    receiver.answer = refuse;
    const { status, body } = await admin('POST', `/${id}/test`);
    expect([status, body]).toEqual([
      202,
      expect.objectContaining({ event: 'test', state: 'waiting', attempts: 0, status: null, answer: null }),
    ]);
    const tried = await whenTried(id, body.id, 1);
    expect(tried).toMatchObject({
      id: body.id,
      state: 'waiting',
      status: 422,
      answer: 'not like this',
      finishedAt: null,
    });
    expect(Date.parse(tried.nextAttemptAt)).toBeGreaterThan(Date.parse(tried.at));
    const seen = (await admin('GET', `/${id}`)).body;
    expect(seen).toMatchObject({
      failingSince: expect.any(String),
      oldestWaitingSeconds: expect.any(Number),
      disabledAt: null,
    });

    receiver.answer = null;
    expect((await admin('POST', `/${id}/deliveries/${body.id}/redeliver`)).status).toBe(202);
    await until('it is taken', async () => (await delivery(id, body.id)).state === 'delivered');
    expect((await admin('GET', `/${id}`)).body).toMatchObject({ failingSince: null, oldestWaitingSeconds: null });
  });

  it('What waits is tried when the pause of its receiver is over; while that is disabled, paused or polls, it has no time', async () => {
    const id = await add({ url: receiver.url });
    receiver.answer = refuse;
    const { body } = await admin('POST', `/${id}/test`);
    await whenTried(id, body.id, 1);
    const receiverIs = (what: string) => t.database.query(`UPDATE receivers SET ${what} WHERE id = $1`, [id]);
    await receiverIs(`retry_at = '2031-01-01T00:00:00Z'`);
    expect((await delivery(id, body.id)).nextAttemptAt).toBe('2031-01-01T00:00:00.000Z');
    await t.database.query(`UPDATE deliveries SET next_attempt_at = '2032-01-01T00:00:00Z' WHERE id = $1`, [body.id]);
    const [listed] = (await admin('GET', `/${id}/deliveries`)).body.items;
    expect(listed.nextAttemptAt).toBe('2032-01-01T00:00:00.000Z');

    for (const [becomes, was] of [
      [`disabled_at = now(), disabled_reason = 'staff'`, 'disabled_at = NULL, disabled_reason = NULL'],
      ['paused_at = now()', 'paused_at = NULL'],
      [`kind = 'ssf_poll'`, `kind = 'webhook'`],
    ] as const) {
      await receiverIs(becomes);
      expect([becomes, (await delivery(id, body.id)).nextAttemptAt]).toEqual([becomes, null]);
      await receiverIs(was);
    }
    // Staff do not wait for it.
    receiver.answer = null;
    const again = await admin('POST', `/${id}/deliveries/${body.id}/redeliver`);
    expect(again.body.nextAttemptAt < '2031').toBe(true);
    await until('it is taken', async () => (await delivery(id, body.id)).state === 'delivered');
  });

  it('How long the oldest waits is since it was to be sent, however long ago it happened', async () => {
    const id = await add({ url: receiver.url });
    receiver.answer = refuse;
    const { body } = await admin('POST', `/${id}/test`);
    await whenTried(id, body.id, 1);
    await t.database.query(`UPDATE deliveries SET at = '2020-01-01' WHERE id = $1`, [body.id]);
    const waiting = () => admin('GET', `/${id}`).then(({ body: seen }) => seen.oldestWaitingSeconds);
    expect(await waiting()).toBeLessThan(3600);
    await t.database.query(`UPDATE deliveries SET give_up_at = give_up_at - interval '1 day' WHERE id = $1`, [body.id]);
    expect(await waiting()).toBeGreaterThan(24 * 3600);
    receiver.answer = null;
    await admin('POST', `/${id}/deliveries/${body.id}/redeliver`);
    await until('it is taken', async () => (await delivery(id, body.id)).state === 'delivered');
  });

  it('One that was given up is sent again, for three days more', async () => {
    const id = await add({ url: receiver.url });
    receiver.answer = refuse;
    const { body } = await admin('POST', `/${id}/test`);
    await whenTried(id, body.id, 1);
    await t.database.query(`UPDATE deliveries SET give_up_at = now(), next_attempt_at = now() WHERE id = $1`, [
      body.id,
    ]);
    await t.database.query(`UPDATE receivers SET retry_at = now() WHERE id = $1`, [id]);
    await until('it is given up', async () => (await delivery(id, body.id)).state === 'dead');
    expect((await delivery(id, body.id)).nextAttemptAt).toBeNull();
    const [line] = await t.database.query(`SELECT type, outcome, reason FROM audit_events WHERE note = $1`, [id]);
    expect(line).toEqual({ type: 'delivery_given_up', outcome: 'failure', reason: 'test' });

    receiver.answer = null;
    const again = await admin('POST', `/${id}/deliveries/${body.id}/redeliver`);
    expect(again.body).toMatchObject({ id: body.id, state: 'waiting', attempts: 0, finishedAt: null });
    await until('it is taken', async () => (await delivery(id, body.id)).state === 'delivered');
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([body.id]));
  });

  it('One that is under way is sent once more where it was not taken, and taken once where it was', async () => {
    const id = await add({ url: receiver.url });
    const held: ServerResponse[] = [];
    receiver.answer = (_, response) => void held.push(response);
    const { body } = await admin('POST', `/${id}/test`);
    await until('it is under way', () => held.length === 1);
    expect((await admin('POST', `/${id}/deliveries/${body.id}/redeliver`)).status).toBe(202);
    receiver.answer = null;
    held[0]!.writeHead(503).end();
    await until('it is taken', async () => (await delivery(id, body.id)).state === 'delivered');
    expect(receiver.received).toHaveLength(2);
  });

  it('One of another receiver is not found, and changes nothing', async () => {
    const [mine, others] = [await add({ url: receiver.url }), await add({ url: receiver.url })];
    const { body } = await admin('POST', `/${others}/test`);
    await until('it is taken', async () => (await delivery(others, body.id)).state === 'delivered');
    for (const deliveryId of [body.id, NO_ID, 'not-a-uuid']) {
      for (const answer of [
        await admin('GET', `/${mine}/deliveries/${deliveryId}`),
        await admin('POST', `/${mine}/deliveries/${deliveryId}/redeliver`),
      ]) {
        expect([answer.status, answer.body.code]).toEqual([404, 'delivery_not_found']);
      }
    }
    expect(receiver.received).toHaveLength(1);
  });

  it('While a receiver is disabled nothing can be sent to it, and what waited comes when it is enabled', async () => {
    const id = await add({ url: receiver.url });
    receiver.answer = refuse;
    const { body } = await admin('POST', `/${id}/test`);
    await whenTried(id, body.id, 1);
    expect((await admin('PATCH', `/${id}`, { disabled: true })).body.disabledReason).toBe('staff');
    for (const path of ['/test', `/deliveries/${body.id}/redeliver`]) {
      const answer = await admin('POST', `/${id}${path}`);
      expect([answer.status, answer.body.code]).toEqual([409, 'receiver_disabled']);
    }
    receiver.answer = null;
    await admin('PATCH', `/${id}`, { disabled: false });
    await until('it is taken', async () => (await delivery(id, body.id)).state === 'delivered');
  });

  it('Those of a receiver that is deleted while one is under way are gone with it', async () => {
    const id = await add({ url: receiver.url });
    const held: ServerResponse[] = [];
    receiver.answer = (_, response) => void held.push(response);
    await admin('POST', `/${id}/test`);
    await until('it is under way', () => held.length === 1);
    expect((await admin('DELETE', `/${id}`)).status).toBe(204);
    held[0]!.writeHead(500).end();
    expect(await t.database.query(`SELECT FROM deliveries WHERE receiver_id = $1`, [id])).toEqual([]);
    // The control: others are sent as before.
    receiver.answer = null;
    const other = await add({ url: receiver.url });
    const { body } = await admin('POST', `/${other}/test`);
    await until('it is taken', async () => (await delivery(other, body.id)).state === 'delivered');
  });
});
