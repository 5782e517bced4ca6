import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { addClient, signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';

// What src/oauth/README.md gives a reader to paste.
const [, example = ''] = /```python\n([^]*?)```/.exec(readFileSync('src/oauth/README.md', 'utf8')) ?? [];

const t = useInstances(1);

it('The example in Python says whose an open token is, and nobody of any other', async () => {
  const { id, clientSecret } = await addClient(t.a, await signUpStaff(t.a, t.database), 'introspect');
  const open = await t.a.signUp();
  const ended = await t.a.signUp();
  await t.a.logout(ended.refreshToken);
  const tokens = [open.accessToken, open.refreshToken, ended.accessToken];
  const script = `${example}\nimport sys\nfor token in sys.argv[1:]: print(user_of(token))`;
  const env = { PATH: process.env['PATH'], API: t.a.url, CLIENT_ID: id, CLIENT_SECRET: clientSecret };
  const { stdout } = await promisify(execFile)('python3', ['-c', script, ...tokens], { env });
  expect(stdout).toBe(`${open.user.id}\nNone\nNone\n`);
});
