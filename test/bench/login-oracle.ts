// How long a refused login takes: for a wrong password, an e-mail nobody has, and a disabled account. What differs by
// more than the noise would tell a stranger which accounts exist (ERR-04).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { type Credentials, someone } from '../support/api.js';
import { startInstance } from '../support/instance.js';

const ROUNDS = Number(process.env['ORACLE_ROUNDS'] ?? 300);

const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-oracle-'));
const database = await startEmbeddedPostgres({ dataDir, isDurable: true });
try {
  const instance = await startInstance({ env: { DATABASE_URL: database.url, LOG_LEVEL: 'silent' } });
  const { api } = instance;
  const [known, disabled] = await Promise.all([api.signUp(), api.signUp()]);
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.user.id]);
  await client.end();

  const kinds: Record<string, () => Credentials> = {
    'wrong password': () => ({ ...known.credentials, password: 'not the passphrase' }),
    'unknown e-mail': someone,
    'disabled account': () => disabled.credentials,
  };
  const times = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, [] as number[]]));
  // By turns, so that what slows the machine down slows all of them.
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, credentials] of Object.entries(kinds)) {
      const startedAt = performance.now();
      const { status } = await api.login(credentials());
      times[kind]!.push(performance.now() - startedAt);
      if (status !== 401) throw new Error(`${kind}: ${status}`);
    }
  }
  await instance.kill('SIGTERM');

  const median = (kind: string) => times[kind]!.toSorted((x, y) => x - y)[Math.floor(ROUNDS / 2)]!;
  const reference = median('wrong password');
  console.log(`median of ${ROUNDS} refused logins each`);
  for (const kind of Object.keys(kinds)) {
    console.log(`${kind.padEnd(18)}${median(kind).toFixed(2)} ms   ratio ${(median(kind) / reference).toFixed(3)}`);
  }
} finally {
  await database.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
process.exit(0);
