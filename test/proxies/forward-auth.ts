import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants, type InvariantOptions } from '../support/invariants.js';
import type { Answer } from '../support/api.js';
import { someone } from '../support/api.js';
import type { HeaderLines } from './client.js';
import { type Dashboard, startDashboard } from './dashboard.js';
import { type Proxy, type ProxyName, startProxy } from './proxy.js';
import { startTap, type Tap } from './tap.js';

export const PROXIES = ['nginx', 'caddy', 'haproxy'] as const;

interface ForwardAuth {
  database: TestDatabase;
  /** Between Latchkey and its database. */
  store: DatabaseProxy;
  latchkey: Instance;
  /** Between the proxies and Latchkey. */
  tap: Tap;
  dashboard: Dashboard;
  /** Another proxy, with a change in its configuration. It stops after the tests. */
  start(name: ProxyName, change?: (configuration: string) => string, port?: number): Promise<Proxy>;
  proxy(name: ProxyName): Proxy;
}

/** Latchkey, and a dashboard behind each of the proxies. */
export function useForwardAuth(
  names: readonly ProxyName[] = PROXIES,
  options: InvariantOptions & { env?: Record<string, string> } = {},
): ForwardAuth {
  const started: Proxy[] = [];
  const proxies = new Map<ProxyName, Proxy>();
  const t = {
    async start(name, change, port) {
      const { host: page } = new URL(t.latchkey.url);
      const addresses = { latchkey: t.tap.address, dashboard: t.dashboard.address, page };
      const proxy = await startProxy(name, { ...addresses, change, port });
      started.push(proxy);
      return proxy;
    },
    proxy: (name) => proxies.get(name)!,
  } as ForwardAuth;

  beforeAll(async () => {
    const ports = await Promise.all(names.map(() => freePort()));
    const ownPort = await freePort();
    t.database = await createDatabase();
    t.store = await startDatabaseProxy(t.database.url);
    t.dashboard = await startDashboard();
    t.latchkey = await startInstance({
      env: {
        DATABASE_URL: t.store.url,
        PORT: String(ownPort),
        PUBLIC_URL: `http://127.0.0.1:${ownPort}`,
        VISIT_COOKIE: 'on',
        RETURN_TO_ORIGINS: ports.map((port) => `http://127.0.0.1:${port}`).join(','),
        ...options.env,
      },
    });
    t.tap = await startTap(t.latchkey.url);
    for (const [i, name] of names.entries()) proxies.set(name, await t.start(name, undefined, ports[i]));
  }, 60_000);

  afterAll(async () => {
    await Promise.all(started.map((proxy) => proxy.stop()));
    await t.tap?.close();
    t.dashboard?.stop();
    await t.latchkey?.kill('SIGTERM');
    t.store?.stop();
    await expectInvariants(t.database, options);
    await t.database.drop();
  });

  return t;
}

/** A person who has signed in at the page of Latchkey, as the cookies of their browser. */
export async function signInAtThePage({ latchkey }: ForwardAuth) {
  const credentials = someone();
  const answer = await latchkey.api.register({ ...credentials, tokenDelivery: 'cookie' });
  return {
    ...answer.body,
    credentials,
    cookies: cookiesOf(answer),
    visit: [['cookie', visitOf(answer)]] as HeaderLines,
  };
}

const cookiesOf = ({ headers }: Answer): string[] => headers.getSetCookie().map((line) => line.split(';')[0]!);

function visitOf(answer: Answer): string {
  const visit = cookiesOf(answer).find((cookie) => /^(__Host-|__Secure-)?visit=/.test(cookie));
  if (visit === undefined) throw new Error(`no visit cookie in ${answer.headers.getSetCookie().join('\n')}`);
  return visit;
}
