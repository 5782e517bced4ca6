// How long a refused login takes, and a request for a new password: for an account, for an e-mail nobody has, for a disabled
// account, and for accounts whose hash is from when hashing was cheaper, or cannot be read. What differs by more than the noise would tell a stranger which accounts exist (ERR-04, ERR-05).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hash } from '@node-rs/argon2';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { type Answer, someone } from '../support/api.js';
import { startInstance } from '../support/instance.js';

const ROUNDS = Number(process.env['ORACLE_ROUNDS'] ?? 300);

const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-oracle-'));
const database = await startEmbeddedPostgres({ dataDir, isDurable: true });
try {
  const instance = await startInstance({
    env: { DATABASE_URL: database.url, DATA_DIR: dataDir, LOG_LEVEL: 'silent', PASSWORD_HASH_PASSES: '4' },
  });
  const { api } = instance;
  const [known, disabled, old, broken] = await Promise.all([api.signUp(), api.signUp(), api.signUp(), api.signUp()]);
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.user.id]);
  const cheap = await hash(old.credentials.password, { memoryCost: 19_456, timeCost: 2 });
  await client.query('UPDATE users SET password_hash = $2 WHERE id = $1', [old.user.id, cheap]);
  await client.query('UPDATE users SET password_hash = $2 WHERE id = $1', [broken.user.id, 'unreadable']);
  await client.end();

  const forgot = (email: string) => api.call('POST', '/auth/password/forgot', { body: { email } });
  const groups: Record<string, Record<string, () => Promise<Answer>>> = {
    'refused logins': {
      'wrong password': () => api.login({ ...known.credentials, password: 'not the passphrase' }),
      'unknown e-mail': () => api.login(someone()),
      'disabled account': () => api.login(disabled.credentials),
      'half the passes': () => api.login({ ...old.credentials, password: 'not the passphrase' }),
      'unreadable hash': () => api.login(broken.credentials),
    },
    'forgotten passwords': {
      'known e-mail': () => forgot(known.user.email),
      'unknown e-mail': () => forgot(someone().email),
      'disabled account': () => forgot(disabled.user.email),
    },
  };
  for (const [group, kinds] of Object.entries(groups)) {
    const times = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, [] as number[]]));
    const statuses = new Set<number>();
    // By turns, so that what slows the machine down slows all of them.
    for (let round = 0; round < ROUNDS; round++) {
      for (const [kind, ask] of Object.entries(kinds)) {
        const startedAt = performance.now();
        statuses.add((await ask()).status);
        times[kind]!.push(performance.now() - startedAt);
      }
    }
    if (statuses.size > 1) throw new Error(`${group}: ${[...statuses].join(', ')}`);
    const median = (kind: string) => times[kind]!.toSorted((x, y) => x - y)[Math.floor(ROUNDS / 2)]!;
    const [reference] = Object.keys(kinds).map(median);
    console.log(`median of ${ROUNDS} ${group} each`);
    for (const kind of Object.keys(kinds)) {
      console.log(`${kind.padEnd(18)}${median(kind).toFixed(2)} ms   ratio ${(median(kind) / reference!).toFixed(3)}`);
    }
  }
  await instance.kill('SIGTERM');
} finally {
  await database.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
process.exit(0);
