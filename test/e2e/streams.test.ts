import { connect } from 'node:net';
import { EventStream } from '../support/event-stream.js';
import { freePort } from '../support/free-port.js';
import { startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { until } from '../support/until.js';

let metricsUrl: string;
beforeAll(async () => {
  metricsUrl = `http://127.0.0.1:${await freePort()}/metrics`;
});
const t = useInstances(2, {
  env: (index) => ({ MAX_STREAMS_PER_SESSION: '3', ...(index === 0 && { METRICS_PORT: new URL(metricsUrl).port }) }),
});

const metric = async (name: string) =>
  Number(new RegExp(`^latchkey_${name} (\\d+)`, 'm').exec(await (await fetch(metricsUrl)).text())?.[1] ?? -1);
const openStreams = () => metric('event_streams');
const seen = ({ events }: EventStream) => events.map(({ type, data }) => [type, data.id]);

it('A stream reports what happens to any device of the account, on any instance', async () => {
  const account = await t.a.signUp();
  await until('it listens', async () => (await metric('listening')) === 1);
  const stream = await EventStream.open(t.a, account.accessToken);
  expect(stream.response.headers.get('content-type')).toBe('text/event-stream');
  expect(stream.response.headers.get('cache-control')).toContain('no-store');
  expect(stream.response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(stream.response.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
  expect(stream.comments[0]).toBe('ping');

  const other = await t.b.signIn(account.credentials);
  await stream.await('session.created', other.session.id);
  await t.b.refresh(other.refreshToken);
  await stream.await('session.refreshed', other.session.id);
  await t.b.call('PATCH', `/sessions/${other.session.id}`, {
    bearer: account.accessToken,
    body: { deviceName: 'Phone' },
  });
  await stream.await('session.renamed', other.session.id);
  await t.b.endSession(account.accessToken, other.session.id);
  const { data } = await stream.await('session.revoked', other.session.id);

  expect(data.reason).toBe('revoked_by_user');
  const [row] = await t.database.query<{ revoked_at: Date }>('SELECT revoked_at FROM sessions WHERE id = $1', [
    data.id,
  ]);
  expect(data.at).toBe(row!.revoked_at.toISOString());
  expect(seen(stream).filter(([, id]) => id === other.session.id)).toHaveLength(4);
  expect(stream.endedAt).toBeNull();
  stream.close();
});

it('A stream reports nothing of other accounts', async () => {
  const accounts = await Promise.all(Array.from({ length: 6 }, () => t.a.signUp()));
  const streams = await Promise.all(
    accounts.map(({ accessToken }, i) =>
      EventStream.open(i % 2 ? t.a : t.b, accessToken, { lastEventId: `${Date.now() - 60_000}` }),
    ),
  );
  const ids = accounts.map(({ session }) => new Set([session.id]));
  await Promise.all(
    accounts.map(async ({ credentials, accessToken }, i) => {
      for (let n = 0; n < 5; n++) {
        const other = await (i % 2 ? t.b : t.a).signIn(credentials);
        ids[i]!.add(other.session.id);
        await t.a.refresh(other.refreshToken);
        await t.b.endSession(accessToken, other.session.id);
        await streams[i]!.await('session.revoked', other.session.id);
      }
    }),
  );
  for (const [i, { events }] of streams.entries()) {
    expect(events.filter(({ data }) => !ids[i]!.has(data.id))).toEqual([]);
    expect(new Set(events.map(({ data }) => data.id))).toEqual(ids[i]);
  }
  streams.forEach((stream) => stream.close());
});

it('Streams open only with an active session, and no more at once than the limit allows', async () => {
  expect((await t.a.call('GET', '/sessions/events')).body.code).toBe('invalid_token');
  const { accessToken, refreshToken } = await t.a.signUp();
  const streams = [];
  for (let n = 0; n < 3; n++) streams.push(await EventStream.open(t.a, accessToken));
  const refused = await t.a.call('GET', '/sessions/events', { bearer: accessToken });
  expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([
    429,
    'too_many_requests',
    '60',
  ]);
  expect(refused.body.detail).toContain('set MAX_STREAMS_PER_SESSION to allow more');
  streams.pop()!.close();
  streams.push(await until('one may be opened again', () => EventStream.open(t.a, accessToken).catch(() => null)));
  await t.a.logout(refreshToken);
  await Promise.all(streams.map((stream) => stream.ended()));
  expect((await t.a.call('GET', '/sessions/events', { bearer: accessToken })).body.code).toBe('session_revoked');
});

it('A HEAD request for a stream gets the head alone, and its connection takes further requests', async () => {
  const { accessToken } = await t.a.signUp();
  const { hostname, port } = new URL(t.a.url);
  const socket = connect({ host: hostname, port: Number(port) });
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  for (const [method, path] of [
    ['HEAD', '/sessions/events'],
    ['GET', '/auth/me'],
  ]) {
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${accessToken}\r\n\r\n`);
  }
  await until('the second is answered', () => text.includes('"email"'));
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*text\/event-stream[^]*\r\n\r\nHTTP\/1\.1 200 OK/);
  socket.destroy();
});

it('A stream whose client does not read is dropped', async () => {
  const { accessToken, user } = await t.a.signUp();
  await until('no stream is open', async () => (await openStreams()) === 0);
  const { hostname, port } = new URL(t.a.url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(`GET /sessions/events HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${accessToken}\r\n\r\n`);
  await until('the stream is open', async () => (await openStreams()) === 1);
  socket.on('error', () => undefined);
  await until('the stream is dropped', async () => {
    await t.database.query(
      `SELECT pg_notify('latchkey_sessions', json_build_array(json_build_object('eventId', gen_random_uuid(), 'type', 'session_revoked',
         'userId', $1::text, 'sessionId', gen_random_uuid(), 'reason', repeat('x', 7000), 'at', 0))::text)
       FROM generate_series(1, 500)`,
      [user.id],
    );
    return (await openStreams()) === 0;
  });
  socket.destroy();
});

it('A stream ends as its instance stops, and its session goes on at another instance', async () => {
  const { accessToken, session } = await t.a.signUp();
  const leaving = await startInstance({ env: { DATABASE_URL: t.database.url } });
  const stream = await EventStream.open(leaving.api, accessToken);
  expect(await leaving.kill('SIGTERM')).toBe(0);
  await stream.ended();
  // The session goes on, elsewhere.
  expect(stream.events.filter(({ type }) => type === 'session.revoked')).toEqual([]);
  const elsewhere = await EventStream.open(t.a, accessToken, { lastEventId: `${Date.now()}` });
  await t.a.endSession(accessToken, session.id);
  expect((await elsewhere.ended())?.data.id).toBe(session.id);
});
