// The tests whose result PostgreSQL has a say in, for a run on another version of it: npm run test:postgres, with
// TEST_DATABASE_URL. What only repeats statements at length is left out. Pages, texts, settings, cookies, headers and
// documents are the same on every version, and the drills that bring a PostgreSQL of their own would not use this one.
import { existsSync } from 'node:fs';
import config from './jest.config.mjs';

const FILES = [
  // The schema, rights on it, and its upkeep.
  'drills/migrations',
  'drills/migrations-online',
  'drills/upgrade',
  'e2e/roles',
  'e2e/least-privilege',
  'e2e/audit-parts',
  'drills/audit-parts',
  'e2e/cleanup',
  'e2e/metrics-retention',
  'drills/big-tables',
  'drills/check-plans',
  'drills/hot-updates',
  'drills/standby',
  'e2e/last-seen',
  'drills/hostile-values',
  // With the base backups and dumps of that version.
  'drills/restored',
  // And with its standbys.
  'drills/standby-reads',

  // What statements do, alone and at the same moment: sessions, then accounts, then the rest.
  'drills/strictness',
  'drills/statements',
  'drills/busy-pool',
  'e2e/refresh',
  'e2e/logout',
  'e2e/sessions',
  'e2e/sign-in',
  'e2e/verification',
  'e2e/passwords',
  'e2e/account-recovery',
  'e2e/export',
  'e2e/admin',
  'e2e/incidents',
  'e2e/audit',
  'e2e/mail',
  'e2e/clients',
  'e2e/client-authentication',
  'e2e/client-failures',
  'e2e/revocation',
  'e2e/introspection',
  'e2e/receivers',
  'e2e/webhooks',
  'e2e/session-expiry',
  'e2e/ssf-streams',
  'e2e/ssf-status',

  // Notifications.
  'e2e/streams',
  'drills/streams-uncommitted',
  'drills/streams-cut',
  'drills/streams-faults',
];

const missing = FILES.filter((name) => !existsSync(new URL(`${name}.test.ts`, import.meta.url)));
if (missing.length > 0) {
  throw new Error(`test/postgres.config.mjs lists tests that do not exist: ${missing.join(', ')}`);
}

export default {
  ...config,
  roots: ['<rootDir>/test'],
  testRegex: undefined,
  testMatch: FILES.map((name) => `<rootDir>/test/${name}.test.ts`),
};
