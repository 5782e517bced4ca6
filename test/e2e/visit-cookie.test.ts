import { type Answer, someone } from '../support/api.js';
import { useApp } from '../support/app.js';

const t = useApp({ VISIT_COOKIE: 'on' });

/** The cookie of this name that an answer sets, as the Cookie header that sends it back. */
const visitOf = ({ headers }: Answer): string =>
  headers
    .getSetCookie()
    .find((cookie) => cookie.startsWith('visit='))
    ?.split(';')[0] ?? '';

async function browser() {
  const credentials = someone();
  const answer = await t.api.register({ ...credentials, tokenDelivery: 'cookie' });
  return { answer, visit: visitOf(answer), body: answer.body };
}

const ask = (cookie: string) => t.api.call('GET', '/verify', { cookie });

it('A visit cookie lets its session in until the session ends, and no longer', async () => {
  const { visit, body } = await browser();
  const answer = await ask(visit);
  expect([answer.status, answer.headers.get('x-latchkey-session')]).toEqual([200, body.session.id]);
  await t.api.endSession(body.accessToken, body.session.id);
  expect(await ask(visit)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
});
