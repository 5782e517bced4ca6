import { useApp } from '../support/app.js';

const t = useApp({ PASSWORD_HASH_PARALLEL: '1', PASSWORD_HASH_QUEUE: '2' }, { hasFaults: true });

it('Logins beyond the hashing queue get 503 with Retry-After and no session, while other requests are served', async () => {
  const { accessToken, credentials } = await t.api.signUp();
  const flood = Promise.all(Array.from({ length: 40 }, () => t.api.login(credentials)));
  expect((await t.api.me(accessToken)).status).toBe(200);
  const answers = await flood;

  const served = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 503);
  expect(served.length).toBeGreaterThan(0);
  expect(refused.length).toBeGreaterThan(0);
  expect(served.length + refused.length).toBe(40);
  for (const { headers, body } of refused) {
    expect(body).toMatchObject({ code: 'service_unavailable' });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  }

  // Whoever was refused got no session, and may try again.
  const { body } = await t.api.sessions(accessToken, '?limit=100');
  expect(body.items).toHaveLength(1 + served.length);
  expect((await t.api.login(credentials)).status).toBe(200);
});
