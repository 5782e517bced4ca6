import type { Answer } from './api.js';

/** The answer is a problem document with this status and code, and with nothing internal in it (ERR-01, ERR-02). */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.body?.code]).toEqual([status, code]);
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(Object.keys(answer.body).filter((key) => key !== 'errors')).toEqual([
    'type',
    'title',
    'status',
    'detail',
    'code',
    'requestId',
  ]);
  expect(answer.body.requestId).toBe(answer.headers.get('x-request-id'));
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(JSON.stringify(answer.body)).not.toMatch(/stack|FST_|node_modules|at Object|SELECT|typeorm|fastify|nest/i);
}
