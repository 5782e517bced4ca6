import { randomUUID } from 'node:crypto';
import { type Api, type AuthResult } from '../support/api.js';
import { seedDevices } from '../support/devices.js';
import { EventStream } from '../support/event-stream.js';
import { holdSessions } from '../support/held-rows.js';
import { useInstances } from '../support/instances.js';
import { until } from '../support/until.js';

const t = useInstances(2);
const devices = (count: number) => seedDevices(t.database, [t.a], count);

it('A stream reopened while changes are not committed yet reports each of them once, on either instance', async () => {
  const rename = (api: Api, { accessToken }: AuthResult, id: string) =>
    api.call('PATCH', `/sessions/${id}`, { bearer: accessToken, body: { deviceName: randomUUID() } });
  let outOfOrder = 0;
  for (let round = 0; round < 30; round++) {
    const [from, to] = round % 2 ? [t.a, t.b] : [t.b, t.a];
    const [own, witness, ...others] = await devices(8);
    const open = (lastEventId?: string) =>
      EventStream.open(to, own.accessToken, lastEventId === undefined ? {} : { lastEventId });
    const sees = await EventStream.open(from, witness.accessToken);
    const first = await EventStream.open(from, own.accessToken);

    // Dated now, and committed when their rows are free again.
    const rows = await holdSessions(
      t.database,
      others.map(({ session }) => session.id),
    );
    const waiting = others.map((device, i) =>
      i % 3 === 0
        ? rename(i % 2 ? t.a : t.b, device, device.session.id)
        : i % 3 === 1
          ? device.refresh(i % 2 ? t.a : t.b)
          : (i % 2 ? t.a : t.b).endSession(own.accessToken, device.session.id),
    );
    await rows.waiting('', others.length);
    await rename(from, own, own.session.id);
    await rename(to, own, witness.session.id);
    const { id: lastEventId } = await first.await('session.renamed', witness.session.id);
    first.close();
    // What came between that event and the closing is reported again: the client says that it has not seen it.
    const before = first.events.slice(0, first.events.findIndex(({ id }) => id === lastEventId) + 1);

    // Before, while and after the stream is opened again.
    const opening = round % 3 === 0 ? [] : [open(lastEventId)];
    if (round % 3 === 2) await opening[0];
    await rows.release();
    if (round % 3 === 0) opening.push(open(lastEventId));
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(
      others.map((_, i) => [200, 200, 204][i % 3]),
    );
    await rename(from, own, own.session.id);

    const second = await opening[0]!;
    await until('the last is told', () => sees.events.filter(({ data }) => data.id === own.session.id).length === 2);
    const last = sees.events.at(-1)!;
    await until('the last is told to the other', () => second.events.some(({ id }) => id === last.id));
    const told = [...before, ...second.events];
    expect(told.map(({ id }) => id).toSorted()).toEqual(sees.events.map(({ id }) => id).toSorted());
    expect(told).toHaveLength(3 + others.length);
    outOfOrder += second.events.filter(({ data }) => data.at < before.at(-1)!.data.at).length;

    // And from wherever among them it is cut, the rest.
    const cutAt = round % second.events.length;
    const rest = second.events.slice(cutAt + 1).map(({ id }) => id);
    const third = await open(second.events[cutAt]!.id);
    await rename(from, own, witness.session.id);
    await third.await('session.renamed', witness.session.id);
    expect(third.events.map(({ id }) => id).slice(0, -1)).toEqual(rest);
    third.close();
    [sees, second].forEach((stream) => stream.close());
  }
  // What this is about did happen.
  expect(outOfOrder).toBeGreaterThan(30);
}, 120_000);
