import { randomUUID } from 'node:crypto';
import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { TestReceiver } from '../support/receiver.js';
import { CREDENTIAL, ESTABLISHED, ISSUER, POLL, PUSH, REVOKED, SsfReceiver } from '../support/ssf.js';

// How receivers manage their streams: openid-ssf-stream-control-* of the OpenID conformance suite, in our words.
const t = useInstances(2);
const ALL = [REVOKED, ESTABLISHED, CREDENTIAL];
const UNKNOWN_EVENT = 'https://example.com/event-type/unknown';
const URL_OF_RECEIVER = 'http://127.0.0.1:9/events';
const PUSHED = { method: PUSH, endpoint_url: URL_OF_RECEIVER };

let staff: AuthResult;
let receiver: SsfReceiver;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

beforeEach(async () => {
  receiver = new SsfReceiver(t.a, await addClient(t.a, staff, 'signals'));
});

it('A stream that is pushed has what the receiver said, and what the transmitter says', async () => {
  const { status, body } = await receiver.call('POST', 'streams', {
    delivery: { ...PUSHED, authorization_header: 'Bearer of-the-receiver' },
    events_requested: [UNKNOWN_EVENT, CREDENTIAL, REVOKED],
    description: 'Of a partner',
  });
  expect([status, body]).toEqual([
    201,
    {
      stream_id: expect.stringMatching(/^[\w.~-]+$/),
      iss: ISSUER,
      aud: receiver.client.id,
      events_supported: ALL,
      events_requested: [UNKNOWN_EVENT, CREDENTIAL, REVOKED],
      events_delivered: [REVOKED, CREDENTIAL],
      // Without the header: it is a secret.
      delivery: PUSHED,
      signing_alg: 'RS256',
      min_verification_interval: 1,
      description: 'Of a partner',
    },
  ]);
  const read = await receiver.call('GET', `streams?stream_id=${body.stream_id}`);
  expect([read.status, read.body, read.headers.get('cache-control')]).toEqual([
    200,
    body,
    expect.stringContaining('no-store'),
  ]);
  expect((await receiver.call('GET', 'streams')).body).toEqual([body]);
});

it.each([
  ['nothing is said', {}],
  ['no method is said', { description: 'x' }],
  ['it is asked for', { delivery: { method: POLL } }],
])('A stream is polled at an address of its own where %s', async (_, settings) => {
  const [one, other] = [await receiver.create(settings), await receiver.create(settings)];
  for (const { stream_id: id, delivery } of [one, other]) {
    expect(delivery).toEqual({ method: POLL, endpoint_url: `${ISSUER}/ssf/streams/${id}/poll` });
  }
  expect(one).toMatchObject({ events_requested: ALL, events_delivered: ALL });
  expect((await receiver.call('GET', 'streams')).body).toEqual([one, other]);
});

it('A receiver without streams has an empty list of them', async () => {
  const { status, body } = await receiver.call('GET', 'streams');
  expect([status, body]).toEqual([200, []]);
});

it('A change leaves alone what it does not name', async () => {
  const before = await receiver.create({ delivery: PUSHED, events_requested: [REVOKED], description: 'Of a partner' });
  const { stream_id } = before;
  const described = await receiver.call('PATCH', 'streams', { stream_id, description: 'Of another one' });
  expect([described.status, described.body]).toEqual([200, { ...before, description: 'Of another one' }]);
  const requested = await receiver.call('PATCH', 'streams', { stream_id, events_requested: [CREDENTIAL] });
  expect(requested.body).toEqual({
    ...described.body,
    events_requested: [CREDENTIAL],
    events_delivered: [CREDENTIAL],
  });
  expect((await receiver.call('GET', `streams?stream_id=${stream_id}`)).body).toEqual(requested.body);
});

it('What a replacement leaves out is gone, or as it is by default', async () => {
  const { stream_id } = await receiver.create({
    delivery: PUSHED,
    events_requested: [CREDENTIAL],
    description: 'x',
    signing_alg: 'ES256',
  });
  const full = { stream_id, delivery: PUSHED, events_requested: [REVOKED], description: 'Of another one' };
  const replaced = await receiver.call('PUT', 'streams', full);
  expect([replaced.status, replaced.body]).toEqual([200, expect.objectContaining(full)]);

  const reduced = await receiver.call('PUT', 'streams', { stream_id, delivery: PUSHED, events_requested: [REVOKED] });
  expect(reduced.body).not.toHaveProperty('description');
  const { body } = await receiver.call('PUT', 'streams', { stream_id });
  expect(body).toMatchObject({ events_requested: ALL, delivery: { method: POLL }, signing_alg: 'RS256' });
  expect((await receiver.call('GET', `streams?stream_id=${stream_id}`)).body).toEqual(body);
});

it('A stream changes from push to poll and back, and what waits goes with it', async () => {
  const { id, server } = await receiver.createPushed({ events_requested: [REVOKED] });
  await receiver.setStatus(id, 'paused');
  const device = await t.b.signUp();
  await t.b.logout(device.refreshToken);
  const polled = await receiver.call('PATCH', 'streams', { stream_id: id, delivery: { method: POLL } });
  expect([polled.status, polled.body.delivery.method]).toEqual([200, POLL]);
  await receiver.setStatus(id, 'enabled');
  const [waiting] = await receiver.polled(id, 1);
  expect(server.received).toEqual([]);

  const delivery = { method: PUSH, endpoint_url: server.url };
  expect((await receiver.call('PATCH', 'streams', { stream_id: id, delivery })).body).toMatchObject({ delivery });
  expect((await receiver.pushed(server, 1))[0]!.jti).toBe(waiting!.jti);
  await server.stop();
});

it('A receiver may send back all that it got, but not other than it is', async () => {
  const stream = await receiver.create({ delivery: PUSHED, events_requested: [REVOKED], description: 'x' });
  for (const method of ['PATCH', 'PUT']) {
    const same = await receiver.call(method, 'streams', { ...stream, aud: [stream['aud']] });
    expect([method, same.status, same.body]).toEqual([method, 200, stream]);
    for (const wrong of [
      { iss: 'https://another.example.com' },
      { aud: 'another' },
      { aud: [stream['aud'], 'another'] },
      { events_supported: [REVOKED] },
      { events_delivered: [CREDENTIAL] },
      { min_verification_interval: 60 },
    ]) {
      const { status, body } = await receiver.call(method, 'streams', { ...stream, ...wrong, description: 'y' });
      expect([method, wrong, status, body.errors]).toEqual([
        method,
        wrong,
        400,
        [{ field: Object.keys(wrong)[0], message: expect.any(String) }],
      ]);
    }
  }
  expect((await receiver.call('GET', `streams?stream_id=${stream.stream_id}`)).body).toEqual(stream);
  // What is delivered follows from this request, so it is as before in it.
  const changed = { ...stream, events_requested: [CREDENTIAL] };
  expect((await receiver.call('PUT', 'streams', changed)).body).toMatchObject({ events_delivered: [CREDENTIAL] });
});

it('A receiver may send back where its stream is polled, but not another address', async () => {
  const stream = await receiver.create({});
  const { endpoint_url: url, method: poll } = stream['delivery'] as Record<string, string>;
  for (const method of ['PATCH', 'PUT']) {
    expect(await receiver.call(method, 'streams', stream)).toMatchObject({ status: 200, body: stream });
    for (const wrong of ['https://evil.example.com/', `${url}/x`, url!.replace(stream.stream_id, randomUUID())]) {
      const { status, body } = await receiver.call(method, 'streams', {
        stream_id: stream.stream_id,
        delivery: { method: poll, endpoint_url: wrong },
      });
      expect([status, body.errors?.[0].field]).toEqual([400, 'delivery.endpoint_url']);
    }
  }
});

it('The header of pushes stays as long as their address does, and is taken away by an empty one', async () => {
  const { id, server } = await receiver.createPushed({}, { authorization_header: 'Bearer of-the-receiver' });
  const other = await TestReceiver.open();
  const change = (method: string, delivery: Record<string, unknown>) =>
    receiver.call(method, 'streams', { stream_id: id, delivery: { method: PUSH, ...delivery } });
  const headerAt = async (at: TestReceiver) => {
    const before = at.received.length;
    // So soon after the one before it may be refused.
    while ((await receiver.call('POST', 'verify', { stream_id: id })).status === 429);
    await receiver.pushed(at, before + 1);
    return at.received.at(-1)!.headers.authorization;
  };
  await change('PATCH', { endpoint_url: server.url });
  await change('PUT', { endpoint_url: server.url });
  expect(await headerAt(server)).toBe('Bearer of-the-receiver');
  await change('PATCH', { endpoint_url: other.url });
  expect(await headerAt(other)).toBeUndefined();
  await change('PATCH', { endpoint_url: other.url, authorization_header: 'Basic YTpi' });
  expect(await headerAt(other)).toBe('Basic YTpi');
  await change('PATCH', { endpoint_url: other.url, authorization_header: '' });
  expect(await headerAt(other)).toBeUndefined();
  await Promise.all([server.stop(), other.stop()]);
});

it('Nobody is shown the header of pushes', async () => {
  const { id, server } = await receiver.createPushed({}, { authorization_header: 'Bearer of-the-receiver-alone' });
  server.answer = (_, response) => response.writeHead(500).end('no');
  await receiver.call('POST', 'verify', { stream_id: id });
  await receiver.pushed(server, 1);
  const asStaff = { bearer: staff.accessToken };
  const shown = [
    await receiver.call('GET', 'streams'),
    await receiver.call('GET', `streams?stream_id=${id}`),
    await t.a.call('GET', `/admin/receivers/${id}`, asStaff),
    await t.a.call('GET', `/admin/receivers/${id}/deliveries`, asStaff),
    await t.a.call('GET', '/admin/audit-events', asStaff),
  ];
  const rows = await t.database.query('SELECT r, d FROM receivers r LEFT JOIN deliveries d ON d.receiver_id = r.id');
  expect(JSON.stringify([shown.map(({ body }) => body), rows])).not.toContain('of-the-receiver-alone');
  expect(t.instances.map((instance) => instance.output()).join()).not.toContain('of-the-receiver-alone');
  await server.stop();
});

it('A deleted stream is deleted', async () => {
  const { stream_id: id } = await receiver.create();
  const deleted = await receiver.call('DELETE', `streams?stream_id=${id}`);
  expect([deleted.status, deleted.body]).toEqual([204, null]);
  expect((await receiver.call('GET', 'streams')).body).toEqual([]);
  expect((await receiver.call('DELETE', `streams?stream_id=${id}`)).status).toBe(404);
});

it('A stream that is unknown, or deleted, or another receiver’s, is 404, whatever its id looks like', async () => {
  const stranger = new SsfReceiver(t.b, await addClient(t.a, staff, 'signals'));
  const { stream_id: own } = await receiver.create();
  const { stream_id: deleted } = await stranger.create();
  await stranger.call('DELETE', `streams?stream_id=${deleted}`);
  for (const id of [own, deleted, 'unknown_stream_id', '../x', '9b2f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61']) {
    const query = `stream_id=${encodeURIComponent(id)}`;
    for (const [method, path, body] of [
      ['GET', `streams?${query}`],
      ['PATCH', 'streams', { stream_id: id, description: 'x' }],
      ['PUT', 'streams', { stream_id: id, description: 'x' }],
      ['DELETE', `streams?${query}`],
      ['GET', `status?${query}`],
      ['POST', 'status', { stream_id: id, status: 'disabled' }],
      ['POST', 'verify', { stream_id: id }],
      ['POST', `streams/${encodeURIComponent(id)}/poll`, {}],
    ] as const) {
      const answer = await stranger.call(method, path, body);
      expect([id, method, path, answer.status, answer.body.code]).toEqual([id, method, path, 404, 'stream_not_found']);
    }
  }
});

it.each([
  ['POST', 'streams'],
  ['PATCH', 'streams'],
  ['PUT', 'streams'],
  ['POST', 'status'],
  ['POST', 'verify'],
])('A body of %s %s that is no JSON is 400', async (method, path) => {
  await receiver.create();
  for (const body of ['{ broken', '{"stream_id": ']) {
    expect((await receiver.call(method, path, body)).status).toBe(400);
  }
});

it.each([
  ['a method that there is not', { delivery: { method: 'urn:ietf:rfc:1' } }, 'delivery.method'],
  ['no method', { delivery: {} }, 'delivery.method'],
  ['no object as delivery', { delivery: 'x' }, 'delivery'],
  ['push to nowhere', { delivery: { method: PUSH } }, 'delivery.endpoint_url'],
  [
    'push to a private address',
    { delivery: { method: PUSH, endpoint_url: 'https://10.0.0.1/' } },
    'delivery.endpoint_url',
  ],
  [
    'a header that is none',
    { delivery: { ...PUSHED, authorization_header: 'a\r\nb' } },
    'delivery.authorization_header',
  ],
  ['no list of events', { events_requested: REVOKED }, 'events_requested'],
  ['an empty list of events', { events_requested: [] }, 'events_requested'],
  ['events that are no strings', { events_requested: [1] }, 'events_requested'],
  ['a description that is no string', { description: 1 }, 'description'],
])('A stream with %s is neither made nor changed', async (_, settings, field) => {
  const { stream_id } = await receiver.create({ delivery: PUSHED });
  for (const [method, body] of [
    ['POST', settings],
    ['PATCH', { stream_id, ...settings }],
    ['PUT', { stream_id, ...settings }],
  ] as const) {
    const answer = await receiver.call(method, 'streams', body);
    expect([method, answer.status, answer.body.errors]).toEqual([
      method,
      400,
      [{ field, message: expect.any(String) }],
    ]);
  }
});

it('Which stream is meant has to be said, but where one is made', async () => {
  await receiver.create();
  for (const [method, path, body] of [
    ['PATCH', 'streams', { description: 'x' }],
    ['PUT', 'streams', { description: 'x' }],
    ['DELETE', 'streams'],
    ['GET', 'status'],
    ['POST', 'status', { status: 'paused' }],
    ['POST', 'verify', {}],
    ['POST', 'streams', { stream_id: 'x' }],
  ] as const) {
    const answer = await receiver.call(method, path, body);
    expect([method, path, answer.status, answer.body.errors?.[0].field]).toEqual([method, path, 400, 'stream_id']);
  }
});

it('A receiver has ten streams at most, also where it asks for many at the same moment', async () => {
  const answers = await Promise.all(
    Array.from({ length: 14 }, (_, i) =>
      new SsfReceiver(i % 2 ? t.a : t.b, receiver.client).call('POST', 'streams', {}),
    ),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
  expect(answers.filter(({ status, body }) => status === 409 && body.code === 'too_many_streams')).toHaveLength(4);
  expect((await receiver.call('GET', 'streams')).body).toHaveLength(10);
});

const REFUSED: [string, Record<string, unknown>, string][] = [
  ['NUL in an event', { events_requested: [REVOKED, 'a\u0000b'] }, 'events_requested[1]'],
  ['half a character in an event', { events_requested: ['\ud800'] }, 'events_requested[0]'],
  ['NUL in the URL', { delivery: { ...PUSHED, endpoint_url: `${URL_OF_RECEIVER}\u0000` } }, 'delivery.endpoint_url'],
  [
    'half a character in the URL',
    { delivery: { ...PUSHED, endpoint_url: `${URL_OF_RECEIVER}?\udc00` } },
    'delivery.endpoint_url',
  ],
  ['a line break in an event', { events_requested: [REVOKED, 'a\nb'] }, 'events_requested'],
  ['a bell in an event', { events_requested: ['\u0007'] }, 'events_requested'],
  ['an event that turns the line around', { events_requested: ['a\u202eb'] }, 'events_requested'],
  ['a tab in the URL', { delivery: { ...PUSHED, endpoint_url: 'http://127.0.\t0.1:9/' } }, 'delivery.endpoint_url'],
  ['a blank after the URL', { delivery: { ...PUSHED, endpoint_url: `${URL_OF_RECEIVER} ` } }, 'delivery.endpoint_url'],
  ['NUL in what is not of the receiver', { events_delivered: [REVOKED, '\u0000'] }, 'events_delivered[1]'],
];

it.each(REFUSED)('A stream with %s is refused in every way, and stays as it is', async (_, wrong, field) => {
  const stream = await receiver.create({ delivery: PUSHED, events_requested: [REVOKED] });
  for (const method of ['POST', 'PATCH', 'PUT']) {
    const id = method === 'POST' ? {} : { stream_id: stream.stream_id };
    const { status, body } = await receiver.call(method, 'streams', { ...id, delivery: PUSHED, ...wrong });
    expect([method, status, body.code, body.errors]).toEqual([
      method,
      400,
      'validation_failed',
      [{ field, message: expect.stringContaining('control') }],
    ]);
  }
  expect((await receiver.call('GET', 'streams')).body).toEqual([stream]);
});

it('An unknown event that is no URI is left out of what is delivered, and no error', async () => {
  const unknown = ['', 'a b', 'urn:événement', '<b>'];
  const stream = await receiver.create({ events_requested: [...unknown, REVOKED] });
  expect(stream).toMatchObject({ events_requested: [...unknown, REVOKED], events_delivered: [REVOKED] });
});
