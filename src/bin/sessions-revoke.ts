import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import sql from 'sql-template-tag';
import { configOfProcess } from '../config/environment.js';
import { runOnDatabase } from '../database/command.js';
import type { Database } from '../database/database.js';
import { databaseOptions } from '../database/database-options.js';
import { channelIn } from '../database/schema-scope.js';
import { nameOf } from '../database/unreachable.js';
import { sqlTime } from '../http/sql-values.js';
import { StartError } from '../problems/start-error.js';
import { endBatch } from '../sessions/incidents/incident-batches.js';
import { countMatching, countOfIncident, findIncident, openIncident } from '../sessions/incidents/incidents.js';
import { INCIDENT_CHANNEL } from '../sessions/session-event.js';
import { ROLES, type Role } from '../users/user.entity.js';
import { mayGoOn } from './confirmation.js';

const USAGE = `Say which: npm run sessions:revoke -- --before 2026-11-24T10:00:00Z, with --role ${ROLES.join(' or --role ')} where only
theirs are to end, --reason "why" for the audit trail, and --yes where nobody is there to ask.`;
const AGAIN_AFTER_MS = 100;

interface Options {
  readonly createdBefore: string;
  readonly role: Role | undefined;
  readonly reason: string;
  readonly isSure: boolean;
}

// Ends every session that was opened before a time, of everybody or of a role, as POST /admin/incidents does: npm run
// sessions:revoke -- --before TIME. The process ends with 0 where that was done, 1 where it was not, 2 where it was not asked
// for as it should be.
async function main(): Promise<void> {
  const options = readOptions();
  if (!options) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const { createdBefore, role, reason } = options;
  await runOnDatabase(configOfProcess({ isServing: false }), async (database, config) => {
    const count = await countMatching(database, { createdBefore, role });
    const active = count === null ? 'they are too many to be counted quickly' : `${count} are active`;
    const whose = role ? `users with the role ${role}` : 'everybody';
    console.log(
      `This ends the sessions of ${whose} that were opened before ${createdBefore}, in the database ` +
        `${nameOf(databaseOptions(config))}: ${active}. They have to log in again.`,
    );
    if (!(await mayGoOn(options.isSure))) {
      return;
    }
    const opener = { actorId: null, reason, source: null };
    const id = await database.transaction((transaction) => openIncident(transaction, { createdBefore, role }, opener));
    await notify(database, channelIn(config.databaseSchema, INCIDENT_CHANNEL), id);
    console.log(`Incident ${id}: from now on none of them is trusted. Their rows are being ended …`);
    await countOfIncident(database, id, { createdBefore, role }).catch(() => null);
    console.log(`Sessions ended: ${await ended(database, id)}. Each has its line in the audit trail.`);
  });
}

/** Null where it is not clear what is asked. */
function readOptions(): Options | null {
  try {
    const { values } = parseArgs({
      options: {
        before: { type: 'string' },
        role: { type: 'string' },
        reason: { type: 'string', default: 'npm run sessions:revoke' },
        yes: { type: 'boolean', default: false },
      },
    });
    const createdBefore = sqlTime(values.before ?? '');
    const role = ROLES.find((known) => known === values.role);
    const isClear = createdBefore !== null && role === values.role && (values.yes || process.stdin.isTTY);
    return isClear ? { createdBefore, role, reason: values.reason, isSure: values.yes } : null;
  } catch {
    return null;
  }
}

/** Streams close at once then. It may fail: instances also look by themselves. */
async function notify(database: Database, channel: string, id: string): Promise<void> {
  const payload = JSON.stringify([{ id }]);
  await database.query(sql`SELECT pg_notify(${channel}, ${payload})`).catch(() => undefined);
}

/** Ends the rows, in turns with the instances that run, until there are none left. How many there were. */
async function ended(database: Database, id: string): Promise<number> {
  for (;;) {
    const incident = await findIncident(database, id);
    if (!incident || incident.finishedAt) {
      return incident?.ended ?? 0;
    }
    const batch = await endBatch(database);
    if (!batch || batch.isWaiting) {
      await sleep(AGAIN_AFTER_MS);
    }
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof StartError ? error.message : error);
  process.exitCode = 1;
});
