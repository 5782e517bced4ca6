import type { Sql } from 'sql-template-tag';
import { IS_IN_OPEN_INCIDENT, MATCHES } from '../../src/database/open-incidents.sql.js';
import { countMatching, countOfIncident } from '../../src/sessions/incidents/incidents.js';
import { endBatch } from '../../src/sessions/incidents/incident-batches.js';
import { ACTIVE, STATE } from '../../src/sessions/sessions.sql.js';

const CLAIMED = { id: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61', isAwaited: false, userIds: null, lastId: null };

/** What a function sends to the database. */
async function sentBy(ask: (database: any) => Promise<unknown>): Promise<string> {
  let sent = '';
  const query = ({ text }: Sql) => {
    sent += text;
    return Promise.resolve({ rows: [CLAIMED], rowCount: 1 });
  };
  await ask({ query, transaction: (work: (transaction: unknown) => unknown) => work({ query }) });
  return sent;
}

it('Which sessions an incident is about is written once, for what refuses them, what counts them and what ends them', async () => {
  expect(IS_IN_OPEN_INCIDENT.text).toContain(MATCHES.text);
  expect(ACTIVE.text).toContain(`AND NOT ${IS_IN_OPEN_INCIDENT.text}`);
  expect(STATE.text).toContain(`OR ${IS_IN_OPEN_INCIDENT.text}) AS "isRevoked"`);
  expect(await sentBy((database) => countMatching(database, {}))).toContain(MATCHES.text);
  expect(await sentBy((database) => countOfIncident(database, CLAIMED.id, {}))).toContain(MATCHES.text);
  expect(await sentBy(endBatch)).toContain(MATCHES.text);
});
