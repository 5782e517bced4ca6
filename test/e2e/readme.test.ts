import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';

// What the README tells a reader to paste, and what it says that prints.
const readme = readFileSync('README.md', 'utf8');
const [, story = ''] = /```bash\n([^]*?)```/.exec(readme) ?? [];
const [, printed = ''] = /It prints:\s+```text\n([^]*?)```/.exec(readme) ?? [];
const ADDRESS = 'http://127.0.0.1:3000';

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  instance = await startInstance({ env: { DATABASE_URL: database.url, RATE_LIMIT: 'on' } });
}, 60_000);

afterAll(async () => {
  await expectInvariants(database, { api: instance.api });
  await instance.kill('SIGTERM');
  await database.drop();
});

it('The example of the README, pasted into bash once and again, prints what the README says', async () => {
  expect(story).toContain(`API=${ADDRESS}`);
  const pasted = story.replace(ADDRESS, instance.url);
  for (const time of ['first', 'second']) {
    const { stdout, stderr } = await promisify(execFile)('bash', ['-uc', pasted]);
    expect([time, stdout, stderr]).toEqual([time, printed, '']);
  }
});
