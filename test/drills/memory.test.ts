import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { useApp } from '../support/app.js';
import { resign, signingKeyOf } from '../support/forge.js';

// What is remembered of what clients send is bounded in bytes, however they spell it (IN-07). The heap is measured after
// everything that nobody holds is gone.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const t = useApp();
const TIMES = 400;
const HEADER = 15_000;
const MEGABYTES = 2.5;
let me: Awaited<ReturnType<typeof t.api.signUp>>;

beforeAll(async () => {
  me = await t.api.signUp();
  // What every request leaves behind once.
  await megabytesKept(200, (i) => ask(`Bearer${' '.repeat(i + 1)}${me.accessToken}`));
});

const ask = (authorization: string) => t.api.me('', { authorization });

async function megabytesKept(times: number, work: (i: number) => unknown): Promise<number> {
  const before = await heapInUse();
  for (let i = 0; i < times; i++) await work(i);
  return ((await heapInUse()) - before) / 1e6;
}

// Some of what nobody holds is only found by the collection after the next.
async function heapInUse(): Promise<number> {
  for (let last = Infinity; ;) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    const { heapUsed } = process.memoryUsage();
    if (Math.abs(last - heapUsed) < 50_000) return heapUsed;
    last = heapUsed;
  }
}

it('The measurement of the heap notices texts that are kept', async () => {
  const kept: string[] = [];
  expect(await megabytesKept(TIMES, (i) => kept.push(`${i}${'x'.repeat(HEADER)}`.toUpperCase()))).toBeGreaterThan(
    MEGABYTES,
  );
  expect(kept).toHaveLength(TIMES);
});

it('The service remembers one access token once, in however many spellings it comes', async () => {
  const statuses = new Set<number>();
  const kept = await megabytesKept(TIMES, async (i) => {
    statuses.add((await ask(`${i % 2 ? 'Bearer' : 'BEARER'}${' '.repeat(HEADER - i)}${me.accessToken}`)).status);
  });
  expect([...statuses]).toEqual([200]);
  expect(kept).toBeLessThan(MEGABYTES);
}, 60_000);

it('The service remembers no more of many padded access tokens than the tokens themselves', async () => {
  const statuses = new Set<number>();
  const key = await signingKeyOf(t.database);
  const kept = await megabytesKept(TIMES, async () => {
    statuses.add((await ask(`Bearer${' '.repeat(HEADER)}${resign(me, key)}`)).status);
  });
  expect([...statuses]).toEqual([200]);
  expect(kept).toBeLessThan(MEGABYTES);
}, 60_000);

it('The service remembers no more of long user agents than it shows', async () => {
  const logIn = (i: number) => t.api.login(me.credentials, { headers: { 'user-agent': `${i} ${'x'.repeat(HEADER)}` } });
  await megabytesKept(20, logIn);
  expect(await megabytesKept(100, (i) => logIn(20 + i))).toBeLessThan(1);
}, 120_000);
