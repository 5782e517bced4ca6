import { Client } from 'pg';
import { configOfProcess } from './config/environment.js';
import { startEmbeddedPostgres } from './database/embedded-postgres.js';

// Makes an account staff: npm run admin:grant -- EMAIL. There is no other way to the first one.
const email = process.argv[2]?.toLowerCase();
if (!email) {
  console.error('Say whom: npm run admin:grant -- ada@example.com');
  process.exit(2);
}

const { databaseUrl, dataDir } = configOfProcess();
const embedded = databaseUrl === undefined ? await startEmbeddedPostgres({ dataDir, sharesRunning: true }) : null;
const client = new Client({ connectionString: databaseUrl ?? embedded?.url });
try {
  await client.connect();
  const { rowCount } = await client.query(
    `WITH granted AS (UPDATE users SET role = 'admin' WHERE email = $1 RETURNING id)
     INSERT INTO audit_events (type, outcome, user_id, reason) SELECT 'role_granted', 'success', id, 'admin' FROM granted`,
    [email],
  );
  console.log(rowCount ? `${email} is an admin from the next request on.` : `Nobody has registered as ${email}.`);
  process.exitCode = rowCount ? 0 : 1;
} finally {
  await client.end();
  await embedded?.stop();
}
