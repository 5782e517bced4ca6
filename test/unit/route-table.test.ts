import { RouteTable } from '../../src/hosted/route-table.js';

const URLS = ['*', '/', '/auth/login', '/sessions/:id', '/verify', '/verify/*', '/client.mjs', '/health/live'];

it.each([
  ['/auth/login', true],
  ['/auth/login?a=/b', true],
  ['/sessions/0b5', true],
  ['/verify/any/depth', true],
  ['/', true],
  ['/?a', true],
  ['/client.mjs', true],
  ['/clientXmjs', false],
  ['/auth', false],
  ['/auth/login/', false],
  ['/auth/loginn', false],
  ['/sessions', false],
  ['/sessions/', false],
  ['/sessions/0b5/more', false],
  ['/x/auth/login', false],
  ['', false],
  ['*', false],
])('A request for %j is for the service: %s', (url, isOurs) => {
  expect(new RouteTable(URLS).has({ url })).toBe(isOurs);
});

it('What is excluded is left to the application, with all below it', () => {
  const routes = new RouteTable(URLS, ['/health', '/', '/sessions/events', '/verify']);
  const own = ['/health/live', '/', '/sessions/events', '/sessions/0b5', '/verify', '/verify/x', '/auth/login'].filter(
    (url) => routes.has({ url }),
  );
  expect(own).toEqual(['/sessions/0b5', '/auth/login']);
});

it('A table without patterns has no request but its own', () => {
  const routes = new RouteTable(['/a']);
  expect(['/a', '', '/b'].map((url) => routes.has({ url }))).toEqual([true, false, false]);
});
