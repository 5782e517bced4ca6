import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../support/free-port.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';
import { ALL_CORES, SERVER_CORE, spawnNode } from './machine.js';

// As the image and `npm start` run it.
const LATCHKEY_NODE_OPTIONS = ['--no-allocation-site-pretenuring'];

/** A server under test: a process of its own, on a core of its own. */
export interface Server {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** One that tells how many bytes are on its heap after a forced collection. */
export interface Latchkey extends Server {
  heapBytes(): Promise<number>;
}

interface Options {
  readonly cores?: string;
  readonly nodeOptions?: readonly string[];
}

async function serve(script: string, args: string[], env: Record<string, string>, options: Options = {}) {
  const { cores = SERVER_CORE, nodeOptions = [] } = options;
  const child = spawnNode([...nodeOptions, `test/bench/${script}`, ...args], env, cores);
  const { port } = await nextMessage<{ port: number }>(child, script);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid!,
    async heapBytes() {
      child.send('heap');
      return (await nextMessage<{ heapBytes: number }>(child, script)).heapBytes;
    },
    stop: () => stop(child),
  };
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function nextMessage<Message>(child: ChildProcess, name: string): Promise<Message> {
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`${name} ended with ${code}`);
    }),
  ]);
  return message;
}

/** The service on a database, in production's manner: metrics on, requests not logged, as with all others. */
export const serveLatchkey = async (
  databaseUrl: string,
  variant: 'strict' | 'stub' | 'pg' | 'typeorm' = 'strict',
  options?: Options,
): Promise<Latchkey> =>
  serve('servers/latchkey.mjs', [variant], latchkeyEnvironment(databaseUrl, await freePort()), {
    ...options,
    nodeOptions: [...LATCHKEY_NODE_OPTIONS, ...(options?.nodeOptions ?? [])],
  });

const latchkeyEnvironment = (databaseUrl: string, metricsPort: number): Record<string, string> => ({
  ...SECRETS,
  DATABASE_URL: databaseUrl,
  LOG_LEVEL: 'warn',
  RATE_LIMIT: 'off',
  METRICS_PORT: String(metricsPort),
});

/** The service as an operator runs it, with workers on all cores. */
export async function serveWorkers(databaseUrl: string, workers: number): Promise<Server> {
  const port = await freePort();
  const metricsPort = await freePort();
  const env = {
    ...latchkeyEnvironment(databaseUrl, metricsPort),
    PORT: String(port),
    WEB_CONCURRENCY: String(workers),
  };
  const child = spawnNode([...LATCHKEY_NODE_OPTIONS, 'dist/main.js'], env, ALL_CORES);
  const url = `http://127.0.0.1:${port}`;
  // Shown once all of them listen.
  await until(
    'the workers listen',
    async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`).catch(() => null))?.ok,
  );
  return { url, pid: child.pid!, stop: () => stop(child) };
}

/** Answers what another server answered. */
export async function serveRaw(url: string, header: string): Promise<Server> {
  const [name, value] = header.split(/: (.*)/s);
  const answer = await fetch(url, { headers: { [name!]: value! } });
  const unframed = Object.fromEntries([...answer.headers].filter(([key]) => !FRAMING.has(key)));
  return serve('servers/raw.mjs', [], { ANSWER: JSON.stringify({ headers: unframed, body: await answer.text() }) });
}

// Written by Node itself.
const FRAMING = new Set(['connection', 'date', 'keep-alive', 'transfer-encoding']);

export const PEER_SECRET = 'a-secret-of-the-benchmark-0123456789';

export const serveBetterAuth = (databaseUrl: string, cookieCache: 'on' | 'off'): Promise<Server> =>
  serve('peers/better-auth.mjs', ['serve'], {
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    SECRET: PEER_SECRET,
    COOKIE_CACHE: cookieCache,
  });

/** The same, with its routes for its own client. */
export const serveBetterAuthRoutes = (databaseUrl: string, cores: string): Promise<Server> =>
  serve(
    'peers/better-auth.mjs',
    ['handle'],
    { NODE_ENV: 'production', DATABASE_URL: databaseUrl, SECRET: PEER_SECRET, COOKIE_CACHE: 'off' },
    { cores },
  );

/** A service of others, that is protected in one way or another. */
export const serveProtected = (variant: string, env: Record<string, string>): Promise<Server> =>
  serve('servers/protected.mjs', [variant], { NODE_ENV: 'production', ...env });

/** A service of others that asks better-auth's routes. */
export const serveBetterAuthClient = ({ url }: Server): Promise<Server> =>
  serve('peers/better-auth-client.mjs', [], { NODE_ENV: 'production', ASKED_URL: url });

export const serveExpressSession = (databaseUrl: string, touch: 'on' | 'off'): Promise<Server> =>
  serve('peers/express-session.mjs', [], {
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    SECRET: PEER_SECRET,
    TOUCH: touch,
  });
