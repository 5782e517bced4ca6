// better-auth as its documentation sets it up for production on node-postgres: node better-auth.mjs serve|handle|migrate
import { createServer } from 'node:http';
import { hash, verify } from '@node-rs/argon2';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { fromNodeHeaders, toNodeHandler } from 'better-auth/node';
import pg from 'pg';

const options = {
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 }),
  baseURL: 'http://localhost:3000',
  secret: process.env.SECRET,
  emailAndPassword: {
    enabled: true,
    // As Latchkey hashes, with Latchkey's own package.
    password: {
      hash: (password) => hash(password, { memoryCost: 19_456, timeCost: 2, parallelism: 1 }),
      verify: (stored) => verify(stored.hash, stored.password),
    },
  },
  telemetry: { enabled: false },
  rateLimit: { enabled: false },
  session: {
    cookieCache: { enabled: process.env.COOKIE_CACHE === 'on', maxAge: 5 * 60 },
    // How old a session is before a request extends it.
    ...(process.env.UPDATE_AGE && { updateAge: Number(process.env.UPDATE_AGE) }),
  },
};

if (process.argv[2] === 'migrate') {
  const { runMigrations } = await getMigrations(options);
  await runMigrations();
  await options.database.end();
} else {
  const auth = betterAuth(options);
  const answer = async (request, response) => {
    const { headers, response: found } = await auth.api.getSession({
      headers: fromNodeHeaders(request.headers),
      returnHeaders: true,
    });
    const cookies = headers.getSetCookie();
    if (cookies.length > 0) response.setHeader('Set-Cookie', cookies);
    response.writeHead(found ? 200 : 401, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(found ?? { code: 'unauthorized' }));
  };
  // Its own routes, for its client; or the one that is compared.
  const handle = process.argv[2] === 'handle' ? toNodeHandler(auth) : answer;
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}
// The benchmark is over, however it ended.
process.once('disconnect', () => process.exit());
