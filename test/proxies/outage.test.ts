import type { AuthResult } from '../support/api.js';
import { until } from '../support/until.js';
import { bearer, NAVIGATION, send } from './client.js';
import { PROXIES, signInAtThePage, useForwardAuth } from './forward-auth.js';

// Where nobody can say whether a session is open, nobody gets in.

// What a proxy answers by itself has the code that Latchkey's own answer has.
const UNAVAILABLE = { status: 503, code: 'service_unavailable', detail: expect.any(String) };

const t = useForwardAuth(PROXIES, { hasFaults: true });
let device: AuthResult;
let person: Awaited<ReturnType<typeof signInAtThePage>>;

beforeAll(async () => {
  device = await t.latchkey.api.signUp();
  person = await signInAtThePage(t);
});
beforeEach(() => {
  t.dashboard.seen.length = 0;
});

/** What each proxy answers to a program with an access token, and to a person who opens a page with a visit cookie. */
const askAll = () =>
  Promise.all(
    PROXIES.map(async (name) => {
      const { url } = t.proxy(name);
      const answers = await Promise.all([
        send(url, '/', { headers: bearer(device.accessToken) }),
        send(url, '/', { headers: [...NAVIGATION, ...person.visit] }),
      ]);
      return [name, answers] as const;
    }),
  );

const allAreLetIn = () =>
  until('all are let in again', async () =>
    (await askAll()).every(([, answers]) => answers.every(({ status }) => status === 200)),
  );

it('while the database is silent, each proxy answers 503 and when to try again, and the dashboard is not asked', async () => {
  t.store.hold();
  for (const [name, answers] of await askAll()) {
    for (const { status, headers, body } of answers) {
      expect([name, status, body?.status, body?.code]).toEqual([name, 503, 503, 'service_unavailable']);
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    }
  }
  expect(t.dashboard.seen).toEqual([]);
  t.store.release();
  await allAreLetIn();
});

it.each([
  ['is not there', () => t.tap.close()],
  ['does not answer', () => Promise.resolve(t.tap.hold())],
])(
  'while Latchkey %s, nginx and HAProxy answer 503, Caddy 502 or 504, and the dashboard is not asked',
  async (_, fail) => {
    await fail();
    for (const [name, answers] of await askAll()) {
      for (const { status, headers, body } of answers) {
        if (name === 'caddy') expect([502, 504]).toContain(status);
        else expect([name, status, headers['retry-after'], body]).toEqual([name, 503, '1', UNAVAILABLE]);
      }
    }
    expect(t.dashboard.seen).toEqual([]);
    await t.tap.close();
    await t.tap.open();
    await allAreLetIn();
  },
);

// An error in a script ends the script, and not the request.
it('while the script of HAProxy fails, it answers 503, and the dashboard is not asked', async () => {
  const { url } = await t.start('haproxy', (text) => text.replace('local answer = ask(', 'local answer = nothing('));
  const { status, body } = await send(url, '/', { headers: bearer(device.accessToken) });
  expect([status, body]).toEqual([503, UNAVAILABLE]);
  expect(t.dashboard.seen).toEqual([]);
});
