import type { Api } from './api.js';
import { createDatabase, type TestDatabase } from './database.js';
import { type Instance, startInstance } from './instance.js';
import { expectInvariants, type InvariantOptions } from './invariants.js';

export interface TestInstances {
  database: TestDatabase;
  instances: readonly Instance[];
  /** The first instance, over HTTP. */
  a: Api;
  /** The second one, where there are two. */
  b: Api;
}

type Environment = Record<string, string>;

export interface InstancesOptions extends InvariantOptions {
  /** Settings of all of them, or those of each by its index: asked for when it starts, after the hooks registered before. */
  readonly env?: Environment | ((index: number) => Environment);
}

/** The service as so many processes, started together over one database of their own. */
export function useInstances(count: number, { env = {}, ...options }: InstancesOptions = {}): TestInstances {
  const t = {} as TestInstances;
  const envOf = typeof env === 'function' ? env : () => env;

  beforeAll(async () => {
    t.database = await createDatabase();
    t.instances = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        startInstance({ env: { DATABASE_URL: t.database.url, ...envOf(index) } }),
      ),
    );
    [t.a, t.b] = t.instances.map(({ api }) => api) as [Api, Api];
  }, 60_000);

  afterAll(async () => {
    try {
      await expectInvariants(t.database, { api: t.a, ...options });
    } finally {
      await Promise.all((t.instances ?? []).map((instance) => instance.kill('SIGTERM')));
      await t.database.drop();
    }
  });

  return t;
}
