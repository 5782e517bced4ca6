import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { hash } from '@node-rs/argon2';
import { type Answer, type Api, type AuthResult, cookieOf, PASSWORD } from './api.js';
import type { TestDatabase } from './database.js';
import { forgeRefreshToken } from './forge.js';

/** One of many devices of a user, and how it refreshes. */
export interface Device extends Omit<AuthResult, 'refreshToken'> {
  /** However it was delivered. */
  readonly refreshToken: string;
  readonly delivery: 'body' | 'cookie';
  refresh(api: Api): Promise<Answer>;
}

/** At least two. */
export type Devices = readonly [first: Device, second: Device, ...others: Device[]];

let passwordHash: Promise<string> | undefined;

/**
 * A user with so many devices, two or more, signed in by turns at the instances. They are put into the database, with
 * {@link PASSWORD}: hashing it for each of hundreds would take minutes.
 */
export async function seedDevices(
  database: Pick<TestDatabase, 'query'>,
  apis: readonly Api[],
  count: number,
  deliveries: readonly Device['delivery'][] = ['body'],
): Promise<Devices> {
  passwordHash ??= hash(PASSWORD, { memoryCost: 19_456, timeCost: 2, parallelism: 1 });
  const seeds = Array.from({ length: count }, (_, i) => {
    const sessionId = randomUUID();
    const token = forgeRefreshToken({ sessionId, generation: 1, nonce: randomBytes(32).toString('base64url') });
    return { sessionId, token, delivery: deliveries[i % deliveries.length]! };
  });
  await database.query(
    `WITH owner AS (
       INSERT INTO users (email, password_hash) VALUES (gen_random_uuid() || '@example.com', $1) RETURNING id
     ), opened AS (
       INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, idle_expires_at, expires_at)
       SELECT t.id, owner.id, t.hash, t.delivery, '', '127.0.0.1', now() + interval '7 days', now() + interval '30 days'
       FROM owner, unnest($2::uuid[], $3::bytea[], $4::text[]) AS t (id, hash, delivery) RETURNING id, user_id
     )
     INSERT INTO audit_events (type, outcome, user_id, session_id)
     SELECT 'session_created', 'success', user_id, id FROM opened`,
    [
      await passwordHash,
      seeds.map(({ sessionId }) => sessionId),
      seeds.map(({ token }) => createHash('sha256').update(token).digest()),
      seeds.map(({ delivery }) => delivery),
    ],
  );
  const [first, second, ...others] = await Promise.all(
    seeds.map(async ({ token, delivery }, i): Promise<Device> => {
      const present = (api: Api, refreshToken: string) =>
        delivery === 'body' ? api.refresh(refreshToken) : api.refreshByCookie(`refresh_token=${refreshToken}`);
      const answer = await present(apis[i % apis.length]!, token);
      const refreshToken = delivery === 'body' ? answer.body.refreshToken : cookieOf(answer).split('=')[1]!;
      return { ...answer.body, refreshToken, delivery, refresh: (api) => present(api, refreshToken) };
    }),
  );
  if (!first || !second) {
    throw new Error('fewer than two devices were asked for');
  }
  return [first, second, ...others];
}
