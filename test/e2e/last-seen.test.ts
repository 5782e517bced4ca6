import { useApp } from '../support/app.js';
import { until } from '../support/until.js';

const t = useApp({ LAST_SEEN_SECONDS: '600' });

/** Somebody whose newest access token was used already, and whose session was last seen so many seconds ago. */
async function seenBefore(seconds: number) {
  const { session, accessToken } = await t.api.signUp();
  const write = `UPDATE sessions SET used_generation = generation, last_seen_at = now() - make_interval(secs => $2)
                 WHERE id = $1 RETURNING last_seen_at`;
  const [row] = await t.database.query<{ last_seen_at: Date }>(write, [session.id, seconds]);
  return { id: session.id, accessToken, lastSeenAt: row!.last_seen_at };
}

const lastSeenAt = async (id: string): Promise<Date> => {
  const [row] = await t.database.query<{ last_seen_at: Date }>('SELECT last_seen_at FROM sessions WHERE id = $1', [id]);
  return row!.last_seen_at;
};

it('A session in use is written as seen once in LAST_SEEN_SECONDS, and not before', async () => {
  const lately = await seenBefore(500);
  const longAgo = await seenBefore(700);
  for (const { accessToken } of [lately, longAgo]) {
    expect((await t.api.me(accessToken)).status).toBe(200);
  }
  await until('the other one is written', async () => (await lastSeenAt(longAgo.id)) > longAgo.lastSeenAt);
  expect(await lastSeenAt(lately.id)).toEqual(lately.lastSeenAt);
});
