import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { useInstances } from '../support/instances.js';

// What the README tells a reader to paste, and what it says that prints.
const readme = readFileSync('README.md', 'utf8');
const [, story = ''] = /```bash\n([^]*?)```/.exec(readme) ?? [];
const [, printed = ''] = /It prints:\s+```text\n([^]*?)```/.exec(readme) ?? [];
const ADDRESS = 'http://localhost:3000';

const t = useInstances(1, { env: { RATE_LIMIT: 'on' } });

it('The example of the README, pasted into bash once and again, prints what the README says', async () => {
  expect(story).toContain(`API=${ADDRESS}`);
  const pasted = story.replace(ADDRESS, t.a.url);
  // Jest's workers have FORCE_COLOR where its own output has colours, and then `node -p` colours a number.
  const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' };
  for (const time of ['first', 'second']) {
    const { stdout, stderr } = await promisify(execFile)('bash', ['--norc', '-uc', pasted], { env });
    expect([time, stdout, stderr]).toEqual([time, printed, '']);
  }
});
