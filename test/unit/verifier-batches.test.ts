import { Batches } from '../../src/verifier/batches.js';
import { until } from '../support/until.js';

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
  );
  const asks = (count: number) => until(`question ${count}`, () => asked.length >= count);
  return { batches, asked, asks };
}

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
