import { randomUUID } from 'node:crypto';
import { seedDevices } from '../support/devices.js';
import { EventStream } from '../support/event-stream.js';
import { useInstances } from '../support/instances.js';
import { until } from '../support/until.js';

const t = useInstances(2);
const devices = (count: number) => seedDevices(t.database, [t.a], count);
const seen = ({ events }: EventStream) => events.map(({ type, data }) => [type, data.id]);

it('A stream reopened with the last event id reports what was missed', async () => {
  const account = await t.a.signUp();
  const first = await EventStream.open(t.a, account.accessToken);
  const [one, two] = [await t.a.signIn(account.credentials), await t.b.signIn(account.credentials)];
  await first.await('session.created', two.session.id);
  const { id: lastEventId } = await first.await('session.created', one.session.id);
  first.close();

  await t.b.endSession(account.accessToken, one.session.id);
  await t.a.refresh(two.refreshToken);
  const back = await EventStream.open(t.b, account.accessToken, { lastEventId });
  await back.await('session.refreshed', two.session.id);
  expect(seen(back)).toEqual([
    ['session.created', two.session.id],
    ['session.revoked', one.session.id],
    ['session.refreshed', two.session.id],
  ]);
  const again = await EventStream.open(t.a, account.accessToken, { lastEventId: back.events[1]!.id });
  await t.a.endSession(account.accessToken, two.session.id);
  await again.await('session.revoked', two.session.id);
  expect(seen(again)).toEqual([
    ['session.refreshed', two.session.id],
    ['session.revoked', two.session.id],
  ]);
  [back, again].forEach((stream) => stream.close());
});

it('A stream reopened during changes reports what was missed and what happens meanwhile once each', async () => {
  const TELLS = 60;
  const all = await devices(10);
  const [{ accessToken, session }] = all;
  const lastEventId = `${Date.now()}`;
  const streams: Promise<EventStream>[] = [];
  for (let n = 0; n < TELLS; n++) {
    await t.a.call('PATCH', `/sessions/${session.id}`, { bearer: accessToken, body: { deviceName: `Phone ${n}` } });
    if (n % 2 === 0) {
      streams.push(EventStream.open(n % 4 ? t.a : t.b, all[(n / 2) % 10]!.accessToken, { lastEventId }));
    }
  }
  for (const stream of await Promise.all(streams)) {
    const renamed = () => stream.events.filter(({ type }) => type === 'session.renamed');
    await until('everything was told', () => renamed().length >= TELLS);
    expect([renamed().length, new Set(renamed().map(({ id }) => id)).size]).toEqual([TELLS, TELLS]);
    stream.close();
  }
});

it('A stream reopened as its own session ends reports that end once', async () => {
  const ends: (unknown[] | null)[] = [];
  for (let round = 0; round < 40; round++) {
    const [own, other] = await devices(2);
    const opening = EventStream.open(round % 2 ? t.a : t.b, own.accessToken, { lastEventId: `${Date.now()}` });
    const [stream] = await Promise.all([opening.catch(() => null), t.a.endSession(other.accessToken, own.session.id)]);
    await stream?.ended();
    ends.push(stream && seen(stream).filter(([type]) => type === 'session.revoked'));
  }
  const told = ends.filter((end) => end !== null);
  expect(told.length).toBeGreaterThan(0);
  expect(told.filter(({ length }) => length !== 1)).toEqual([]);
}, 60_000);

it.each([
  ['over an hour old', () => `${Date.now() - 3_700_000}.${randomUUID()}`],
  ['not an id', () => 'x'],
  ['far too large', () => '9'.repeat(40)],
  ['empty', () => ' '],
])('A stream reopened with a last event id that is %s reports that it cannot know what was missed', async (_, id) => {
  const { accessToken, session } = await t.a.signUp();
  const stream = await EventStream.open(t.b, accessToken, { lastEventId: id() });
  await until('it says so', () => stream.events.length > 0);
  expect(stream.events.map(({ type }) => type)).toEqual(['resync']);
  expect(stream.events[0]!.data).toEqual({});
  await t.b.endSession(accessToken, session.id);
  expect((await stream.ended())?.type).toBe('session.revoked');
});
