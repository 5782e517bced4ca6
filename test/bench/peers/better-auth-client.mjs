// A service of others with one route, in Express, which asks better-auth's server by better-auth's client.
import { createAuthClient } from 'better-auth/client';
import express from 'express';

const client = createAuthClient({ baseURL: process.env.ASKED_URL });

const answer = (request, response, next) => {
  void client.getSession({ fetchOptions: { headers: { cookie: request.headers.cookie } } }).then(({ data }) => {
    if (!data) return response.status(401).end();
    return response.json({ userId: data.user.id, sessionId: data.session.id });
  }, next);
};

const app = express();
app.disable('x-powered-by');
app.get('/mine', answer);
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
// The benchmark is over, however it ended.
process.once('disconnect', () => process.exit());
