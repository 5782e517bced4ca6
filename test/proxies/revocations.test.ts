import { Agent, request } from 'node:http';
import { seedDevices } from '../support/devices.js';
import { until } from '../support/until.js';
import { useForwardAuth } from './forward-auth.js';
import type { Proxy } from './proxy.js';

// The promise, as a dashboard behind nginx sees it, under load.

const CONNECTIONS = 64;
const REVOCATIONS = 300;
// Enough to notice.
const FEW_REVOCATIONS = 40;

const t = useForwardAuth(['nginx']);

interface Count {
  /** Requests of sessions that were open when they started. */
  readonly reachedBefore: number;
  /** Those that started after a logout had been answered. */
  readonly startedAfter: number;
  readonly reachedAfter: number;
}

/** Ends one session after another while requests of all of them come over many connections. */
async function countUnderRevocations({ url }: Proxy, revocations: number): Promise<Count> {
  const { api } = t.latchkey;
  const devices = await seedDevices(t.database, [api], revocations);
  t.dashboard.seen.length = 0;
  const endedAt = new Map<number, number>();
  const asked: { id: string; device: number; startedAt: number }[] = [];
  let next = 0;
  let isRunning = true;
  const clients = Array.from({ length: CONNECTIONS }, async (_, seed) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let turn = seed; isRunning; turn++) {
      // Around the one whose turn it is: ended a moment ago, ending, about to end.
      const device = Math.max(0, Math.min(revocations - 1, next - 2 + (turn % 5)));
      const id = `/${device}/${asked.length}`;
      asked.push({ id, device, startedAt: performance.now() });
      await ask(`${url}${id}`, agent, devices[device]!.accessToken);
    }
    agent.destroy();
  });
  for (; next < revocations; next++) {
    expect((await api.logout(devices[next]!.refreshToken)).status).toBe(204);
    endedAt.set(next, performance.now());
  }
  const ended = asked.length;
  await until('more have come for those that have ended', () => asked.length > ended + 200);
  isRunning = false;
  await Promise.all(clients);

  const reached = new Set(t.dashboard.seen.map((seen) => seen.url));
  const after = asked.filter(({ device, startedAt }) => startedAt > (endedAt.get(device) ?? Infinity));
  return {
    reachedBefore: asked.filter(({ id }) => reached.has(id)).length - after.filter(({ id }) => reached.has(id)).length,
    startedAfter: after.length,
    reachedAfter: after.filter(({ id }) => reached.has(id)).length,
  };
}

function ask(url: string, agent: Agent, accessToken: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, { agent, headers: { authorization: `Bearer ${accessToken}` } }, (response) => {
      response.resume().on('end', resolve).on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

it('With 64 connections through nginx, no request that starts after an answered logout reaches the dashboard', async () => {
  const { reachedBefore, startedAfter, reachedAfter } = await countUnderRevocations(t.proxy('nginx'), REVOCATIONS);
  expect(reachedAfter).toBe(0);
  expect(startedAfter).toBeGreaterThan(REVOCATIONS);
  expect(reachedBefore).toBeGreaterThan(REVOCATIONS);
}, 120_000);

it('With a cache of the answers in nginx, requests that start after a logout would reach it, and that is noticed', async () => {
  const caching = await t.start('nginx', (configuration) =>
    [
      'proxy_cache_path cache keys_zone=answers:1m;',
      configuration.replace(
        'proxy_pass http://latchkey/verify;',
        `$& proxy_cache answers; proxy_cache_key $http_authorization; proxy_cache_valid 200 1m;
         proxy_ignore_headers Cache-Control;`,
      ),
    ].join('\n'),
  );
  const { reachedAfter } = await countUnderRevocations(caching, FEW_REVOCATIONS);
  expect(reachedAfter).toBeGreaterThan(0);
}, 120_000);
