// express-session with connect-pg-simple, as their documentation sets them up for production.
import connectPgSimple from 'connect-pg-simple';
import express from 'express';
import session from 'express-session';
import pg from 'pg';

const PgSession = connectPgSimple(session);
const app = express();
app.disable('x-powered-by');
app.use(
  session({
    store: new PgSession({
      pool: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 }),
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
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
// The benchmark is over, however it ended.
process.once('disconnect', () => process.exit());
