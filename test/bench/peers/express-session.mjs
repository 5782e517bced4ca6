// express-session with connect-pg-simple, as their documentation sets them up for production.
import { promisify } from 'node:util';
import { verify } from '@node-rs/argon2';
import connectPgSimple from 'connect-pg-simple';
import express from 'express';
import session from 'express-session';
import pg from 'pg';

const PgSession = connectPgSimple(session);
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const app = express();
app.disable('x-powered-by');
app.use(
  session({
    store: new PgSession({
      pool,
      disableTouch: process.env.TOUCH === 'off',
    }),
    secret: process.env.SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 30 * 24 * 3600 * 1000, sameSite: 'lax' },
  }),
);
app.get('/me', (request, response) => {
  if (!request.session.user) return response.status(401).json({ code: 'unauthorized' });
  return response.json({ user: request.session.user, session: { id: request.sessionID } });
});
// As its documentation has it: a new session for each login, saved before the answer.
app.post('/login', express.json(), (request, response, next) => {
  const logIn = async ({ email, password }) => {
    const { rows } = await pool.query('SELECT id, email, role, password_hash FROM users WHERE email = $1', [email]);
    const [{ password_hash: stored, ...user } = {}] = rows;
    if (!stored || !(await verify(stored, password))) return response.status(401).end();
    await promisify(request.session.regenerate.bind(request.session))();
    request.session.user = user;
    await promisify(request.session.save.bind(request.session))();
    return response.json({ user, session: { id: request.sessionID } });
  };
  logIn(request.body).catch(next);
});
app.post('/logout', (request, response, next) => {
  request.session.destroy((error) => (error ? next(error) : response.status(204).end()));
});
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
// The benchmark is over, however it ended.
process.once('disconnect', () => process.exit());
