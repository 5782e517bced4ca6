import { declaredProblems, defineProblem, Problem, withStatus } from '../../src/problems/problem.js';

class LostThingError extends Problem {}

const LostKeyError = defineProblem('lost_key', 404, 'The key is lost.', LostThingError);
const LostKeyGoneError = withStatus(410, LostKeyError);

it('makes a problem of one declaration, with its code, status and detail', () => {
  const problem = new LostKeyError({ headers: { Allow: 'GET' }, errors: [{ field: 'key', message: 'lost' }] });
  expect(problem).toMatchObject({
    code: 'lost_key',
    status: 404,
    message: 'The key is lost.',
    headers: { Allow: 'GET' },
  });
  expect(problem.errors).toEqual([{ field: 'key', message: 'lost' }]);
});

it('catches a declared problem by its class and by its base class', () => {
  expect(new LostKeyError()).toBeInstanceOf(LostKeyError);
  expect(new LostKeyError()).toBeInstanceOf(LostThingError);
  expect(new LostThingError(LostKeyError)).not.toBeInstanceOf(LostKeyError);
});

it('answers a problem with another status where it is declared so, and with its own elsewhere', () => {
  expect(new LostKeyGoneError({ headers: { Allow: 'GET' } })).toMatchObject({ code: 'lost_key', status: 410 });
  expect(new LostKeyGoneError()).toBeInstanceOf(LostKeyError);
  expect([LostKeyGoneError.status, LostKeyGoneError.code]).toEqual([410, 'lost_key']);
  expect(new LostKeyError().status).toBe(404);
});

it('lists each declared problem once, in the order of its code', () => {
  const codes = declaredProblems().map(({ code }) => code);
  expect(codes.filter((code) => code === 'lost_key')).toHaveLength(1);
  expect(codes).toEqual(codes.toSorted());
});

it('refuses to declare a code a second time', () => {
  expect(() => defineProblem('lost_key', 404, 'Lost again.')).toThrow('declared twice');
});
