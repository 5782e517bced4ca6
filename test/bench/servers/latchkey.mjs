// The service, with its session check replaced where a comparison asks for it. No setting of the service can do that:
// node latchkey.mjs strict|stub|pg|typeorm
import { writeFileSync } from 'node:fs';
import { Session as Inspector } from 'node:inspector/promises';
import pg from 'pg';
import { register } from 'prom-client';
import { createApp } from '../../../dist/app.js';
import { DATA_SOURCE_TOKEN } from '../../../dist/database/data-source.js';
import { Retention } from '../../../dist/database/retention.js';
import { TIMES_AS_WRITTEN } from '../../../dist/database/time.js';
import { createLogger } from '../../../dist/process/logger.js';
import { loadConfig } from '../../../dist/config/load-config.js';
import { SessionChecker } from '../../../dist/sessions/check/session-checker.js';
import { ChecksRepository } from '../../../dist/sessions/check/checks.repository.js';
import { Session } from '../../../dist/sessions/session.entity.js';

const DAY_MS = 24 * 3600 * 1000;
const [variant] = process.argv.slice(2);
const { prototype } = SessionChecker;

if (variant === 'stub') {
  // As the check reads them.
  const readTime = TIMES_AS_WRITTEN.getTypeParser(pg.types.builtins.TIMESTAMPTZ);
  const timeAt = (at) => readTime(new Date(at).toISOString().replace('T', ' ').replace('Z', '+00'));
  const startedAt = timeAt(Date.now());
  const end = timeAt(Date.now() + 30 * DAY_MS);
  const session = {
    deviceName: null,
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0',
    ip: '203.0.113.7',
    createdAt: startedAt,
    lastSeenAt: startedAt,
    expiresAt: end,
    idleExpiresAt: end,
  };
  const user = { email: 'user-1@example.com', name: null, role: 'user', emailVerifiedAt: null, createdAt: startedAt };
  prototype.require = ({ sessionId, userId }) =>
    Promise.resolve({
      userId,
      sessionId,
      role: 'user',
      session: { ...session, id: sessionId, userId },
      user: { ...user, id: userId },
      readAt: startedAt,
    });
}
if (variant === 'pg') {
  // The same query and the same rules, but one for each request.
  prototype.ask = async function (id) {
    return (await this.checks.findStates([id]))[0] ?? null;
  };
}
if (variant === 'typeorm') {
  // As most would write it: without a look at the keys, which are read once.
  let keyIds;
  ChecksRepository.prototype.findStates = async ([id]) => {
    const dataSource = app.get(DATA_SOURCE_TOKEN, { strict: false });
    const session = await dataSource.getRepository(Session).findOne({ where: { id }, relations: { user: true } });
    keyIds ??= (await dataSource.query(`SELECT string_agg(id, ' ') AS ids FROM signing_keys`))[0].ids;
    const now = new Date();
    const isExpired = session.idleExpiresAt <= now || session.expiresAt <= now;
    const isRevoked = session.revokedAt !== null || session.user.disabledAt !== null;
    return [{ session, user: session.user, readAt: now, keyIds, isExpired, isRevoked, isSeenLongAgo: false }];
  };
  prototype.ask = async function (id) {
    return (await this.checks.findStates([id]))[0] ?? null;
  };
}

const config = loadConfig(process.env);
const app = await createApp(config, createLogger({ level: config.logLevel, isReadable: false }));
await app.listen({ port: 0, host: '127.0.0.1' });
process.send({ port: app.getHttpServer().address().port });
const inspector = new Inspector();
inspector.connect();
const answers = {
  heap() {
    globalThis.gc?.();
    return { heapBytes: process.memoryUsage().heapUsed };
  },
  async profile() {
    await inspector.post('Profiler.enable');
    await inspector.post('Profiler.start');
    return {};
  },
  async profiled({ file }) {
    const { profile } = await inspector.post('Profiler.stop');
    writeFileSync(file, JSON.stringify(profile));
    return {};
  },
  async checks() {
    const { values } = await register.getSingleMetric('latchkey_session_checks_answered_total').get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.server, value]));
  },
  async 'clean up'() {
    return { deleted: await app.get(Retention, { strict: false }).deleteDue() };
  },
};
const answer = async (question) => process.send(await answers[question.ask](question));
process.on('message', (question) => void answer(question));
// The benchmark is over, however it ended.
process.once('disconnect', () => process.exit());
