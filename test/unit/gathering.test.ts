import { Gathering } from '../../src/database/gathering.js';

/** One whose statements are answered by hand. */
function heldGathering() {
  const asked: { questions: readonly string[]; answer: () => void }[] = [];
  const gathering = new Gathering<string>(
    (questions) => new Promise((resolve) => asked.push({ questions, answer: resolve })),
  );
  return { asked, add: (...questions: string[]) => questions.forEach((question) => gathering.add(question)) };
}

const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 0));

it('Questions that wait at the same moment are one statement', async () => {
  const { asked, add } = heldGathering();
  add('a', 'b');
  await Promise.resolve();
  add('c');
  await nextTurn();
  expect(asked.map(({ questions }) => questions)).toEqual([['a', 'b', 'c']]);
});

it('A question that is asked while a statement is under way is never part of it, and is part of the next', async () => {
  const { asked, add } = heldGathering();
  add('a');
  await nextTurn();
  add('b', 'a');
  await nextTurn();
  add('c');
  await nextTurn();
  expect(asked.map(({ questions }) => questions)).toEqual([['a']]);
  asked[0]!.answer();
  await nextTurn();
  expect(asked.map(({ questions }) => questions)).toEqual([['a'], ['b', 'a', 'c']]);
  asked[1]!.answer();
  await nextTurn();
  expect(asked).toHaveLength(2);
  add('d');
  await nextTurn();
  expect(asked.at(-1)!.questions).toEqual(['d']);
});
