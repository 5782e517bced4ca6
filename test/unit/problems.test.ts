import { declaredProblems, defineProblem, Problem, withStatus } from '../../src/problems/problem.js';

class LostThingError extends Problem {}

const LostKeyError = defineProblem('lost_key', 404, 'The key is lost.', LostThingError);
const LostKeyGoneError = withStatus(410, LostKeyError);

it('A problem has the code, status and detail of its declaration', () => {
  const problem = new LostKeyError({ headers: { Allow: 'GET' }, errors: [{ field: 'key', message: 'lost' }] });
  expect(problem).toMatchObject({
    code: 'lost_key',
    status: 404,
    message: 'The key is lost.',
    headers: { Allow: 'GET' },
  });
  expect(problem.errors).toEqual([{ field: 'key', message: 'lost' }]);
});

it('A declared problem is caught by its class and by its base class', () => {
  expect(new LostKeyError()).toBeInstanceOf(LostKeyError);
  expect(new LostKeyError()).toBeInstanceOf(LostThingError);
  expect(new LostThingError(LostKeyError)).not.toBeInstanceOf(LostKeyError);
});

it('A problem has another status where it is declared so, and its own elsewhere', () => {
  expect(new LostKeyGoneError({ headers: { Allow: 'GET' } })).toMatchObject({ code: 'lost_key', status: 410 });
  expect(new LostKeyGoneError()).toBeInstanceOf(LostKeyError);
  expect([LostKeyGoneError.status, LostKeyGoneError.code]).toEqual([410, 'lost_key']);
  expect(new LostKeyError().status).toBe(404);
});

it('The declared problems are listed once each, in the order of their codes', () => {
  const codes = declaredProblems().map(({ code }) => code);
  expect(codes.filter((code) => code === 'lost_key')).toHaveLength(1);
  expect(codes).toEqual(codes.toSorted());
});

it('The code of a problem cannot be declared a second time', () => {
  expect(() => defineProblem('lost_key', 404, 'Lost again.')).toThrow('declared twice');
});
