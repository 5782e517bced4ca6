// npm run bench:size [-- --sessions N] [-- --events N] [-- --plans FILE] [-- --guard]
//
// Whether anything slows down as the tables grow: every statement that the service sends is explained, in a small database
// and in a large one. `--guard` fails where a big table is read whole, or where a statement reads more than it did.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startStore, query, type Store } from '../store.js';
import { serveLatchkey } from '../servers.js';
import { callAll } from './calls.js';
import { explainAll, listenToPlans } from './plans.js';
import { compare, type Seen } from './report.js';
import { seed, type Sizes } from './seed.js';

const { values: options } = parseArgs({
  options: {
    sessions: { type: 'string', default: '5000000' },
    events: { type: 'string', default: '20000000' },
    plans: { type: 'string' },
    guard: { type: 'boolean', default: false },
  },
});
const SMALL: Sizes = { sessions: 1000, events: 4000 };
const large: Sizes = { sessions: Number(options.sessions), events: Number(options.events) };
// As a server of that size has.
const MEMORY = { shared_buffers: '2GB', max_wal_size: '8GB', max_parallel_maintenance_workers: '1' };

// One user has ten thousand.
const ENVIRONMENT = { MAX_SESSIONS_PER_USER: '10000' };

async function lookAt(store: Store, name: string, sizes: Sizes): Promise<Seen> {
  console.error(`${sizes.sessions.toLocaleString('en')} sessions, ${sizes.events.toLocaleString('en')} lines …`);
  const url = await store.createDatabase(name, { locale: 'en-US' });
  const startedAt = performance.now();
  const { users, rows } = await seed(url, sizes);
  console.error(`filled in ${Math.round((performance.now() - startedAt) / 1000)} s`);
  await query(url, ...explainAll(name));
  const listener = await listenToPlans(url);
  const server = await serveLatchkey(listener.url, 'strict', { env: ENVIRONMENT });
  try {
    const spans = await callAll(server.url, users, () => server.cleanUp());
    return { rows, executions: listener.executions, spans };
  } finally {
    await server.stop();
    listener.stop();
  }
}

const store = await startStore({ isDurable: false, settings: MEMORY });
try {
  const [few, many] = [await lookAt(store, 'small', SMALL), await lookAt(store, 'large', large)];
  const { table, findings, statements } = compare(few, many);
  const sizeOf = ({ rows }: Seen) =>
    Object.entries(rows)
      .map(([of, count]) => `${count.toLocaleString('en')} ${of}`)
      .join(', ');
  console.log(`PostgreSQL ${store.version}; small: ${sizeOf(few)}; large: ${sizeOf(many)}; ${statements} statements\n`);
  console.log(table);
  for (const { what, why, text } of findings) console.error(`✕ ${what}: ${why}\n  ${text}`);
  if (options.plans !== undefined) {
    writeFileSync(options.plans, `${JSON.stringify(findings, null, 2)}\n`);
  }
  process.exitCode = options.guard && findings.length > 0 ? 1 : 0;
} finally {
  await store.stop();
}
process.exit();
