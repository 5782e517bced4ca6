import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../support/free-port.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';
import { ALL_CORES, LOAD_CORES, SERVER_CORE, spawnNode } from './machine.js';

// As the image and `npm start` run it.
const LATCHKEY_NODE_OPTIONS = ['--no-allocation-site-pretenuring'];

/** A server under test: a process of its own, on a core of its own. */
export interface Server {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Latchkey extends Server {
  /** How many bytes are on its heap after a forced collection. */
  heapBytes(): Promise<number>;
  /** Writes a profile of its processor time during a load, as V8 makes it. */
  profile(file: string, load: () => Promise<unknown>): Promise<void>;
  /** How many session checks each kind of server has answered. */
  checksAnswered(): Promise<{ primary: number; standby: number }>;
  /** Deletes what is kept no longer. */
  cleanUp(): Promise<void>;
}

interface Options {
  readonly cores?: string | undefined;
  readonly nodeOptions?: readonly string[];
  /** More settings of the service. */
  readonly env?: Readonly<Record<string, string>>;
}

async function serve(script: string, args: string[], env: Record<string, string>, options: Options = {}) {
  const { cores = SERVER_CORE, nodeOptions = [] } = options;
  const child = spawnNode([...nodeOptions, `test/bench/${script}`, ...args], env, cores);
  const { port } = await nextMessage<{ port: number }>(child, script);
  const ask = <Answer>(question: { ask: string; file?: string }) => {
    child.send(question);
    return nextMessage<Answer>(child, script);
  };
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid!,
    heapBytes: async () => (await ask<{ heapBytes: number }>({ ask: 'heap' })).heapBytes,
    async profile(file: string, load: () => Promise<unknown>) {
      await ask({ ask: 'profile' });
      await load();
      await ask({ ask: 'profiled', file });
    },
    checksAnswered: () => ask<{ primary: number; standby: number }>({ ask: 'checks' }),
    async cleanUp() {
      await ask({ ask: 'clean up' });
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
  const over = new AbortController();
  try {
    const [message] = await Promise.race([
      once(child, 'message', over),
      once(child, 'exit', over).then(([code]) => {
        throw new Error(`${name} ended with ${code}`);
      }),
    ]);
    return message;
  } finally {
    over.abort();
  }
}

interface LatchkeyOptions extends Options {
  /** Whether requests are logged, which is the default. */
  readonly logsRequests?: boolean;
  readonly isHs256?: boolean;
}

/** The service on a database as it is deployed: every setting at its default for production, and metrics on. */
export const serveLatchkey = async (
  databaseUrl: string,
  variant: 'strict' | 'stub' | 'pg' | 'typeorm' = 'strict',
  options: LatchkeyOptions = {},
): Promise<Latchkey> =>
  serve(
    'servers/latchkey.mjs',
    [variant],
    { ...latchkeyEnvironment(databaseUrl, await freePort(), options), ...options.env },
    { ...options, nodeOptions: [...LATCHKEY_NODE_OPTIONS, ...(options.nodeOptions ?? [])] },
  );

const latchkeyEnvironment = (
  databaseUrl: string,
  metricsPort: number,
  { logsRequests = true, isHs256 = false }: LatchkeyOptions = {},
): Record<string, string> => ({
  ...SECRETS,
  NODE_ENV: 'production',
  DATABASE_URL: databaseUrl,
  METRICS_PORT: String(metricsPort),
  // Limits count as ever. Those for one address and one session would refuse a load that comes from one.
  LOGIN_FAILURES_PER_ADDRESS: '1000000',
  REFRESHES_PER_SESSION: '1000000',
  // A machine that is busy with something else makes the figures worse, and fails no request.
  SESSION_CHECK_TIMEOUT_MS: '60000',
  DATABASE_CONNECT_TIMEOUT_MS: '60000',
  DATABASE_STATEMENT_TIMEOUT_MS: '60000',
  ...(!logsRequests && { LOG_REQUESTS: 'off' }),
  ...(isHs256 && { JWT_ALGORITHM: 'HS256' }),
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

const peerEnvironment = (databaseUrl: string) => ({
  NODE_ENV: 'production',
  DATABASE_URL: databaseUrl,
  SECRET: PEER_SECRET,
});

/** One that answers with the session alone. */
export const serveBetterAuth = (databaseUrl: string, cookieCache: 'on' | 'off'): Promise<Server> =>
  serve('peers/better-auth.mjs', ['serve'], { ...peerEnvironment(databaseUrl), COOKIE_CACHE: cookieCache });

/** The same with all of its own routes. Sessions are extended once a day, or at each request. */
export const serveBetterAuthRoutes = (
  databaseUrl: string,
  { cores, extendsAlways = false }: Options & { readonly extendsAlways?: boolean } = {},
): Promise<Server> =>
  serve(
    'peers/better-auth.mjs',
    ['handle'],
    { ...peerEnvironment(databaseUrl), COOKIE_CACHE: 'off', ...(extendsAlways && { UPDATE_AGE: '0' }) },
    { cores },
  );

/** A receiver of webhooks, which takes everything after so many milliseconds. It shares the cores of the load. */
export const serveReceiver = (takesMs: number): Promise<Server> =>
  serve('servers/receiver.mjs', [String(takesMs)], {}, { cores: LOAD_CORES });

/** A service of others, that is protected in one way or another. */
export const serveProtected = (variant: string, env: Record<string, string>): Promise<Server> =>
  serve('servers/protected.mjs', [variant], { NODE_ENV: 'production', ...env });

/** A service of others that asks better-auth's routes. */
export const serveBetterAuthClient = ({ url }: Server): Promise<Server> =>
  serve('peers/better-auth-client.mjs', [], { NODE_ENV: 'production', ASKED_URL: url });

export const serveExpressSession = (databaseUrl: string, touch: 'on' | 'off'): Promise<Server> =>
  serve('peers/express-session.mjs', [], { ...peerEnvironment(databaseUrl), TOUCH: touch });
