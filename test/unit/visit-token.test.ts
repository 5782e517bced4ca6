import { randomUUID } from 'node:crypto';
import { VisitTokens } from '../../src/forward-auth/visit-token.js';

const OLD = 'an-old-secret-0123456789-0123456789';
const NEW = 'a-new-secret-0123456789-0123456789';
const id = randomUUID();

it('The first secret signs, all verify, and one that is dropped opens nothing', () => {
  const before = new VisitTokens([OLD], 'visit').issue(id);
  const during = new VisitTokens([NEW, OLD], 'visit');
  const after = new VisitTokens([NEW], 'visit');
  expect(during.read(before)).toBe(id);
  expect(after.read(during.issue(id))).toBe(id);
  expect(after.read(before)).toBeNull();
  expect(after.read(after.issue(id))).toBe(id);
});

it('A token of one cookie is none of another', () => {
  const token = new VisitTokens([NEW], '__Secure-visit example.com').issue(id);
  expect(new VisitTokens([NEW], '__Secure-visit example.org').read(token)).toBeNull();
  expect(new VisitTokens([NEW], '__Host-visit ').read(token)).toBeNull();
});

it('Without a secret there is no token', () => {
  expect(() => new VisitTokens([], 'visit').issue(id)).toThrow('no secret');
  expect(new VisitTokens([], 'visit').read(new VisitTokens([NEW], 'visit').issue(id))).toBeNull();
});
