import { Turns } from '../../src/limits/turns.js';

/** Work that ends when it is told to. */
function pieceOfWork() {
  let end!: (answer: string) => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<string>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  const piece = {
    hasBegun: false,
    end,
    fail,
    run: () => {
      piece.hasBegun = true;
      return promise;
    },
  };
  return piece;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

it('Work of one user runs one piece at a time and in order, and other users do not wait for it', async () => {
  const turns = new Turns();
  const [first, second, others] = [pieceOfWork(), pieceOfWork(), pieceOfWork()];
  const answers = [turns.take('ada', first.run), turns.take('ada', second.run), turns.take('bob', others.run)];
  await settled();
  expect([first.hasBegun, second.hasBegun, others.hasBegun]).toEqual([true, false, true]);

  others.end('of bob');
  first.end('first');
  expect(await answers[0]).toBe('first');
  await settled();
  expect(second.hasBegun).toBe(true);
  second.end('second');
  expect(await Promise.all(answers)).toEqual(['first', 'second', 'of bob']);
});

it('The work of a user goes on after a piece of it failed', async () => {
  const turns = new Turns();
  const first = pieceOfWork();
  const failed = turns.take('ada', first.run);
  const next = turns.take('ada', () => Promise.resolve('next'));
  first.fail(new Error('the database is away'));
  await expect(failed).rejects.toThrow('the database is away');
  expect(await next).toBe('next');
});

it('Work of a user is refused while ten pieces of that user wait, and accepted again after them', async () => {
  const turns = new Turns();
  const first = pieceOfWork();
  const answers = Array.from({ length: 11 }, () => turns.take('ada', first.run));
  await expect(turns.take('ada', first.run)).rejects.toMatchObject({ code: 'too_many_requests' });
  expect(await turns.take('bob', () => Promise.resolve('at once'))).toBe('at once');
  first.end('done');
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 11 }, () => 'done'));
  expect(await turns.take('ada', () => Promise.resolve('again'))).toBe('again');
});
