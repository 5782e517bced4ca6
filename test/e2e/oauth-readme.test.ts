import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { addClient, signUpStaff } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { useInstances } from '../support/instances.js';
import { printedAll } from '../support/printed.js';
import { SECRETS } from '../support/secrets.js';

// What src/oauth/README.md gives a reader to paste.
const pasted = (language: string) => printedAll('src/oauth/README.md', language);

const ADDRESS = 'http://localhost:3000';
// It compiles first, which is done.
const ADD_CLIENT = ['npm run client:add --', 'node dist/service-clients/client-add.js'] as const;

let port: number;
beforeAll(async () => {
  port = await freePort();
});
const t = useInstances(1, {
  env: () => ({ PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}` }),
});

it('The examples of the page, pasted into bash from top to bottom, print what it says', async () => {
  const story = pasted('bash').join('\n');
  expect(story).toContain(ADDRESS);
  expect(story).toContain(ADD_CLIENT[0]);
  const script = story.replace(ADDRESS, t.a.url).replace(...ADD_CLIENT);
  const env = { ...process.env, ...SECRETS, DATABASE_URL: t.database.url };
  const { stdout, stderr } = await promisify(execFile)('bash', ['--norc', '-uc', script], { env });
  expect(stdout).toBe(pasted('text').join(''));
  // Said by the command that makes the client.
  expect(stderr).toMatch(/^example-\d+ may introspect, revoke, verify from now on\.[^\n]*\n$/);
});

/** Runs a program with what the first block of the page sets. */
async function run(program: string, args: readonly string[]): Promise<string> {
  const { id, clientSecret } = await addClient(t.a, await signUpStaff(t.a, t.database), 'introspect');
  const env = { PATH: process.env['PATH'], API: t.a.url, CLIENT_ID: id, CLIENT_SECRET: clientSecret };
  const { stdout } = await promisify(execFile)(program, args, { env });
  return stdout;
}

it('The example of openid-client says whose an open token is, and nothing of one whose session has ended', async () => {
  const [example = ''] = pasted('js');
  const login = await t.a.signUp();
  const ask = () => run(process.execPath, ['--input-type=module', '-e', example, 'example', login.accessToken]);
  expect(await ask()).toBe(`true ${login.user.id}\n`);
  await t.a.logout(login.refreshToken);
  expect(await ask()).toBe('false undefined\n');
});
