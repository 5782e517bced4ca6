import { setMaxListeners } from 'node:events';
import type { Notifications } from '../../src/database/notifications.js';
import { PollWaits } from '../../src/signals/shared-signals/poll-waits.js';
import type { StreamsRepository } from '../../src/signals/shared-signals/streams.repository.js';

type Listener = Parameters<Notifications['listen']>[0];

/** Waits over a database that has events of some streams. */
function waitsOver(streams: Pick<StreamsRepository, 'findWaiting'>) {
  let listener: Listener | undefined;
  const notifications = { listen: (one: Listener) => (listener = one) };
  const waits = new PollWaits(streams as StreamsRepository, notifications as unknown as Notifications);
  return { waits, notify: () => listener!.received('[]') };
}

const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);
const LONG_MS = 60_000;

it('One statement looks for all polls that wait, and ends those of streams with events', async () => {
  const asked: (readonly string[])[] = [];
  const findWaiting = (ids: readonly string[]) => {
    asked.push(ids);
    return Promise.resolve(['a']);
  };
  const { waits, notify } = waitsOver({ findWaiting });
  const ended: string[] = [];
  const polls = Array.from({ length: 20 }, (_, i) => (i % 2 ? 'a' : 'b')).map(async (stream) => {
    await waits.wait(stream, LONG_MS, NEVER);
    ended.push(stream);
  });
  notify();
  await Promise.all(polls.filter((_, i) => i % 2));
  expect(asked).toEqual([['b', 'a']]);
  expect(ended).toEqual(Array.from({ length: 10 }, () => 'a'));
  waits.onModuleDestroy();
  await Promise.all(polls);
});

it('A client that leaves is not looked for, and makes room for another', async () => {
  const findWaiting = jest.fn(() => Promise.resolve([]));
  const { waits, notify } = waitsOver({ findWaiting });
  const clients = Array.from({ length: 10 }, () => new AbortController());
  const polls = clients.map(({ signal }) => waits.wait('a', LONG_MS, signal));
  await expect(waits.wait('a', LONG_MS, NEVER)).rejects.toMatchObject({ code: 'too_many_requests' });
  for (const client of clients) client.abort();
  await Promise.all(polls);
  notify();
  expect(findWaiting).not.toHaveBeenCalled();
  await waits.wait('a', 1, NEVER);
});

it('Where it cannot be looked, every poll that waits learns it', async () => {
  const { waits, notify } = waitsOver({ findWaiting: () => Promise.reject(new Error('no database')) });
  const polls = ['a', 'b'].map((stream) => waits.wait(stream, LONG_MS, NEVER));
  notify();
  for (const poll of polls) await expect(poll).rejects.toThrow('no database');
});

it('Nothing waits any more once the service stops', async () => {
  const { waits } = waitsOver({ findWaiting: () => Promise.resolve([]) });
  const poll = waits.wait('a', LONG_MS, NEVER);
  waits.onModuleDestroy();
  await poll;
  await waits.wait('a', LONG_MS, NEVER);
  expect(waits.isOver).toBe(true);
});
