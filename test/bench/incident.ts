// What an incident of a million sessions costs: the time to count them, to its answer, to the first refusal, to the end of ten
// thousand event streams and to the last row, and what protected requests of other sessions cost while none is open, while one is, and while
// its rows are ended.
import { join } from 'node:path';
import { claimsOf } from '../support/forge.js';
import { holdBatches } from '../support/held-batches.js';
import { until } from '../support/until.js';
import { Client } from './client.js';
import { load } from './load.js';
import { type Figures, measureOnce, medianOf } from './measure.js';
import { serveLatchkey } from './servers.js';
import { openStreams } from './streams.js';
import { CALLERS, query, seedLatchkey, startStore, writeCallers, writeHeaders } from './store.js';

const SESSIONS = Number(process.env['INCIDENT_SESSIONS'] ?? 1_000_000);
const STREAMS = Number(process.env['INCIDENT_STREAMS'] ?? 10_000);
const ROUNDS = Number(process.env['INCIDENT_ROUNDS'] ?? 5);
const CONNECTIONS = 64;
const SECONDS = 3;
const WARM_UP_SECONDS = 12;
// Sessions of the callers and of the admin are later than it.
const FILTER = { createdBefore: new Date(Date.now() - 3_600_000).toISOString() };

const store = await startStore();
try {
  const url = await seedLatchkey(store, 'incident', SESSIONS);
  const file = join(store.folder, 'callers');
  const headers = await writeCallers(url, file, { count: CALLERS + STREAMS + 1 });
  const [callers, [victimHeader, ...streaming]] = [headers.slice(0, CALLERS), headers.slice(CALLERS)];
  const bearers = callers.map(bearerOf);
  const victim = bearerOf(victimHeader!);
  const ids = bearers.map((bearer) => claimsOf(bearer)['sid']);
  const admin = claimsOf(bearers[0]!)['sub'];
  await query(
    url,
    [`UPDATE sessions SET created_at = now() WHERE id = ANY($1::uuid[])`, [ids]],
    [`UPDATE users SET role = 'admin' WHERE id = $1`, [admin]],
    'VACUUM ANALYZE sessions',
  );
  await query(url, 'CHECKPOINT');
  const server = await serveLatchkey(url);
  const client = new Client(server.url, 4);
  const incident = (where: object, others: object = {}) =>
    client.call('POST', '/admin/incidents', { bearer: bearers[0]!, body: { where, reason: 'bench', ...others } });
  const target = { url: `${server.url}/auth/me`, headers: file };
  writeHeaders(file, callers);
  const measure = () => measureOnce(store, server, () => load(target, CONNECTIONS, SECONDS));
  await load(target, CONNECTIONS, WARM_UP_SECONDS);

  for (const where of [FILTER, { role: 'user' }, { network: '203.0.0.0/16' }]) {
    const startedAt = performance.now();
    const { body } = await incident(where, { dryRun: true });
    console.log(
      `${body.matches} counted by ${Object.keys(where)[0]} in ${Math.round(performance.now() - startedAt)} ms`,
    );
  }

  // By turns, so that what slows the machine down slows both. What is held open ends one session at last.
  const [none, open]: [Figures[], Figures[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    none.push(await measure());
    const held = await holdBatches({ url });
    const { body } = await incident({ createdBefore: '2020-01-01' });
    open.push(await measure());
    await held.release();
    await until('it is over', async () => (await progress(body.id)).finishedAt !== null, 600);
  }
  report('no incident open', medianOf(none), medianOf(none));
  report('one open, no row ended', medianOf(open), medianOf(none));

  const sockets = await openStreams(server, streaming, 0, STREAMS);
  let [openStreamsLeft, streamsEndedAt] = [sockets.length, 0];
  for (const socket of sockets) {
    socket.on('data', (chunk: Buffer) => {
      if (chunk.includes('session.revoked'))
        [openStreamsLeft, streamsEndedAt] = [openStreamsLeft - 1, performance.now()];
    });
  }
  const startedAt = performance.now();
  const answer = incident(FILTER);
  await until('it is refused', async () => (await client.call('GET', '/auth/me', { bearer: victim })).status === 401);
  const refusedAt = performance.now();
  const { body } = await answer;
  const answeredAt = performance.now();
  await until('all streams are ended', () => openStreamsLeft === 0);
  for (const socket of sockets) socket.destroy();
  const running: Figures[] = [];
  while ((await progress(body.id)).finishedAt === null) running.push(await measure());
  const { matches, ended, seconds } = await progress(body.id);
  report('rows are ended', medianOf(running), medianOf(none));
  console.log(`${matches} sessions matched, and ${ended} were ended.
first refusal after ${Math.round(refusedAt - startedAt)} ms, the answer after ${Math.round(answeredAt - startedAt)} ms,
the last of ${STREAMS} streams ended after ${Math.round(streamsEndedAt - startedAt)} ms,
the last row after ${seconds} s`);
  await server.stop();

  async function progress(id: string) {
    const [row] = await query<{ finishedAt: Date | null; matches: number; ended: number; seconds: number }>(url, [
      `SELECT finished_at AS "finishedAt", matches, ended, extract(epoch FROM finished_at - at)::float8 AS seconds
       FROM incidents WHERE id = $1`,
      [id],
    ]);
    return row!;
  }
} finally {
  await store.stop();
}

function bearerOf(header: string): string {
  return header.split(' ')[2]!;
}

function report(what: string, { perSecond, serverCpu, storeCpu, p99 }: Figures, reference: Figures): void {
  const cost = (serverCpu ?? 0) + (storeCpu ?? 0);
  const ratio = cost / ((reference.serverCpu ?? 0) + (reference.storeCpu ?? 0));
  console.log(
    `${what}: ${Math.round(perSecond)} requests a second, ${Math.round(serverCpu ?? 0)} + ${Math.round(storeCpu ?? 0)} µs ` +
      `of server and store each (${ratio.toFixed(2)}), p99 ${p99.toFixed(1)} ms`,
  );
}
