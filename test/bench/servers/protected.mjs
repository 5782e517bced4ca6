// A service of others with one route, in Express: node protected.mjs open|jose|signature|strict|introspect
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { callerOf, createVerifier } from '../../../dist/verifier/index.js';

const [variant] = process.argv.slice(2);
const { ASKED_URL: url, CLIENT_ID: clientId, CLIENT_SECRET: clientSecret } = process.env;

// As the documentation of each has it.
const variants = {
  open: () => (_request, response) => response.json({ userId: null, sessionId: null }),

  jose() {
    const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', url));
    const options = { algorithms: ['ES256'], typ: 'at+jwt', issuer: 'latchkey', audience: 'latchkey' };
    return async (request, response) => {
      const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
      const { payload } = await jwtVerify(token, keys, options);
      response.json({ userId: payload.sub, sessionId: payload.sid });
    };
  },

  signature: () => withVerifier({ url, mode: 'signature' }),

  strict: () => withVerifier({ url, clientId, clientSecret, timeoutMs: 60_000 }),

  introspect() {
    const credentials = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
    return async (request, response) => {
      const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
      const answer = await fetch(`${url}/oauth/introspect`, {
        method: 'POST',
        headers: { authorization: `Basic ${credentials}` },
        body: new URLSearchParams({ token }),
      });
      const { active, sub, sid } = await answer.json();
      if (!active) return response.status(401).end();
      return response.json({ userId: sub, sessionId: sid });
    };
  },
};

function withVerifier(settings) {
  const verifier = createVerifier(settings);
  const protect = verifier.express();
  return [
    protect,
    (request, response) => {
      const { userId, sessionId } = callerOf(request);
      response.json({ userId, sessionId });
    },
  ];
}

const app = express();
app.disable('x-powered-by');
app.get('/mine', variants[variant]());
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
// The benchmark is over, however it ended.
process.once('disconnect', () => process.exit());
