import { randomUUID } from 'node:crypto';
import { hash } from '@node-rs/argon2';
import { type Credentials, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { ledger } from '../support/ledger.js';

// A refused login makes the same work, whatever stands for the account in the database (ERR-04). Work is processor time,
// and the least of several tries counts, so that a busy machine does not.
const TRIES = 6;
const t = useApp({ PASSWORD_HASH_PASSES: '8' });

async function keep(passwordHash: string): Promise<Credentials> {
  const { credentials, user } = await t.api.signUp();
  await t.database.query('UPDATE users SET password_hash = $2 WHERE id = $1', [user.id, passwordHash]);
  return credentials;
}

const weaker = (memoryCost: number, timeCost: number) => hash('another password', { memoryCost, timeCost });

async function workOf(credentials: Credentials): Promise<number> {
  const { user, system } = process.cpuUsage();
  expect(await t.api.login(credentials)).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
  const spent = process.cpuUsage();
  return spent.user - user + spent.system - system;
}

const PARTS = ['$argon2id$v=19$m=19456,t=2,p=1', 'c2FsdHNhbHRzYWx0', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'];
const UNREADABLE = [
  '',
  'x',
  '$2b$10$abcdefghijklmnopqrstuv',
  PARTS[0]!,
  PARTS.slice(0, 2).join('$'),
  `${PARTS.join('$')}!`,
];

it('A refused login costs the same work for an unknown account and for every kind of stored password hash', async () => {
  const accounts: Record<string, Credentials> = {
    'nobody’s': someone(),
    'as today': { ...(await t.api.signUp()).credentials, password: 'not the password' },
    'of fewer passes': await keep(await weaker(19_456, 2)),
    'of less memory': await keep(await weaker(8192, 8)),
    'of much less': await keep(await weaker(4096, 1)),
    unreadable: await keep('x'),
  };
  const work = Object.fromEntries(Object.keys(accounts).map((name) => [name, Infinity]));
  for (let i = 0; i < TRIES; i++) {
    for (const [name, credentials] of Object.entries(accounts)) {
      work[name] = Math.min(work[name]!, await workOf(credentials));
    }
  }
  const ratios = Object.entries(work).map(([name, microseconds]) => [name, microseconds / work['nobody’s']!] as const);
  expect(ratios.filter(([, ratio]) => ratio < 0.6 || ratio > 1.6)).toEqual([]);
}, 60_000);

it.each(UNREADABLE)(
  'Every password is wrong for the unreadable hash "%s", and the log names the user',
  async (kept) => {
    const { credentials, accessToken, user } = await t.api.signUp();
    await t.database.query('UPDATE users SET password_hash = $2 WHERE id = $1', [user.id, kept]);
    expect(await t.api.login(credentials)).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    expect(
      await t.api.call('POST', '/auth/password/change', {
        bearer: accessToken,
        body: { currentPassword: credentials.password, newPassword: `another ${randomUUID()}` },
      }),
    ).toMatchObject({ status: 403, body: { code: 'invalid_credentials' } });
    expect(ledger.outputs.map((output) => output()).join()).toContain(
      `The password hash of user ${user.id} cannot be read`,
    );
  },
);
