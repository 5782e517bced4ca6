import { Batches } from '../../src/verifier/batches.js';
import { until } from '../support/until.js';

const PATIENCE_MS = 60_000;

interface Question {
  readonly tokens: readonly string[];
  answer(): void;
  fail(error: Error): void;
}

/** Batches whose answers are given by the test. */
function heldBatches() {
  const asked: Question[] = [];
  const batches = new Batches<string>(
    (tokens) =>
      new Promise((resolve, reject) => {
        asked.push({ tokens, answer: () => resolve(tokens.map((token) => `of ${token}`)), fail: reject });
      }),
    PATIENCE_MS,
  );
  const asks = (count: number) => until(`question ${count}`, () => asked.length >= count);
  return { batches, asked, asks };
}

/** Moves the time on, for those that wait as for those that come. */
function moveTimeOn(milliseconds: number): void {
  // A whole number, so that a difference is exact.
  const now = Math.ceil(performance.now()) + milliseconds;
  jest.spyOn(performance, 'now').mockReturnValue(now);
}
afterEach(() => jest.restoreAllMocks());

const names = (count: number, prefix = 't') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

it('What waits at the same moment is asked at once, and each gets its own answer', async () => {
  const { batches, asked, asks } = heldBatches();
  const tokens = names(64);
  const answers = Promise.all(tokens.map((token) => batches.ask(token)));
  await asks(1);
  asked[0]!.answer();
  expect(await answers).toEqual(tokens.map((token) => `of ${token}`));
  expect(asked.map((one) => one.tokens)).toEqual([tokens]);
});

it('What arrives while a question is under way is never part of it, and gathers for the next', async () => {
  const { batches, asked, asks } = heldBatches();
  const first = batches.ask('first');
  await asks(1);
  const later = Promise.all(names(10).map((token) => batches.ask(token)));
  asked[0]!.answer();
  expect(await first).toBe('of first');
  await asks(2);
  asked[1]!.answer();
  await later;
  expect(asked.map(({ tokens }) => tokens.length)).toEqual([1, 10]);
});

it('A question that takes long keeps those behind it waiting for a moment only, and there are four at most', async () => {
  const { batches, asked, asks } = heldBatches();
  const answers: Promise<string>[] = [];
  for (const token of names(4)) {
    answers.push(batches.ask(token));
    await asks(answers.length);
  }
  answers.push(batches.ask('fifth'));
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(asked).toHaveLength(4);
  asked[2]!.answer();
  await asks(5);
  asked.forEach((question) => question.answer());
  expect(await Promise.all(answers)).toHaveLength(5);
});

it('While one answer does not come, those behind it go on as if it were not there', async () => {
  const { batches, asked, asks } = heldBatches();
  const stuck = batches.ask('stuck');
  await asks(1);
  for (let turn = 2; turn <= 20; turn++) {
    const answer = batches.ask(`t${turn}`);
    await asks(turn);
    asked.at(-1)!.answer();
    await answer;
  }
  asked[0]!.answer();
  await stuck;
  expect(asked).toHaveLength(20);
});

it('More than 500 are split, and asked side by side', async () => {
  const { batches, asked, asks } = heldBatches();
  const answers = Promise.all(names(1203).map((token) => batches.ask(token)));
  await asks(3);
  expect(asked.map(({ tokens }) => tokens.length)).toEqual([500, 500, 203]);
  asked.forEach((question) => question.answer());
  expect((await answers)[1202]).toBe('of t1202');
});

it('Equal tokens of one question are sent once, and each that waits for one gets its answer', async () => {
  const { batches, asked, asks } = heldBatches();
  const tokens = Array.from({ length: 64 }, (_, i) => `t${i % 3}`);
  const answers = Promise.all(tokens.map((token) => batches.ask(token)));
  await asks(1);
  asked[0]!.answer();
  expect(await answers).toEqual(tokens.map((token) => `of ${token}`));
  expect(asked.map((one) => one.tokens)).toEqual([['t0', 't1', 't2']]);
});

it('A token is asked about again where the same one is under way: that answer may be from before', async () => {
  const { batches, asked, asks } = heldBatches();
  const first = batches.ask('same');
  await asks(1);
  const second = batches.ask('same');
  asked[0]!.answer();
  await first;
  await asks(2);
  asked[1]!.answer();
  expect(await second).toBe('of same');
});

/** Four questions without an answer, so that nothing else is asked. */
async function hang({ batches, asks }: ReturnType<typeof heldBatches>): Promise<Promise<string>[]> {
  const stuck: Promise<string>[] = [];
  for (const token of names(4, 'stuck')) {
    stuck.push(batches.ask(token));
    await asks(stuck.length);
  }
  return stuck;
}

it('What has waited too long for its turn is refused with "timeout" and not asked, and what has not is asked', async () => {
  const held = heldBatches();
  const { batches, asked, asks } = held;
  const stuck = await hang(held);
  const old = Promise.allSettled(names(1203, 'old').map((token) => batches.ask(token)));
  moveTimeOn(PATIENCE_MS - 1);
  const late = batches.ask('late');
  moveTimeOn(1);
  const fresh = batches.ask('fresh');
  asked[0]!.answer();
  const reasons = (await old).map((one) => one.status === 'rejected' && [one.reason.reason, one.reason.status]);
  expect(reasons).toEqual(names(1203).map(() => ['timeout', 503]));
  await asks(5);
  expect(asked[4]!.tokens).toEqual(['late', 'fresh']);
  asked.forEach((question) => question.answer());
  expect(await Promise.all([late, fresh])).toEqual(['of late', 'of fresh']);
  await Promise.all(stuck);
});

it('Where all that waited have waited too long, nothing is asked, what comes next is, and closing goes on', async () => {
  const held = heldBatches();
  const { batches, asked, asks } = held;
  const stuck = await hang(held);
  const old = batches.ask('old');
  moveTimeOn(PATIENCE_MS);
  asked[0]!.answer();
  await expect(old).rejects.toMatchObject({ reason: 'timeout' });
  const next = batches.ask('next');
  await asks(5);
  const last = batches.ask('last');
  const closing = batches.close();
  moveTimeOn(PATIENCE_MS);
  asked.forEach((question) => question.answer());
  await Promise.all([...stuck, next]);
  await expect(last).rejects.toMatchObject({ reason: 'timeout' });
  await closing;
  expect(asked.map(({ tokens }) => tokens)).toEqual([...names(4, 'stuck').map((token) => [token]), ['next']]);
});

it('A question that fails fails for its own, and for nobody else', async () => {
  const { batches, asked, asks } = heldBatches();
  const first = Promise.allSettled(names(3).map((token) => batches.ask(token)));
  await asks(1);
  const second = batches.ask('second');
  asked[0]!.fail(new Error('away'));
  await asks(2);
  asked[1]!.answer();
  expect((await first).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(await second).toBe('of second');
});

it('Closing waits for what was asked, and takes nothing more', async () => {
  const { batches, asked, asks } = heldBatches();
  const first = batches.ask('first');
  await asks(1);
  const gathered = batches.ask('gathered');
  let isClosed = false;
  const closing = batches.close().then(() => (isClosed = true));
  await expect(batches.ask('late')).rejects.toMatchObject({ reason: 'closed', status: 503 });
  asked[0]!.answer();
  await first;
  expect(isClosed).toBe(false);
  await asks(2);
  asked[1]!.answer();
  await gathered;
  await closing;
  await heldBatches().batches.close();
});
