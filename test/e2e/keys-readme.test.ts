import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { useInstances } from '../support/instances.js';
import { printedAll } from '../support/printed.js';

// How the documentation verifies by the published keys, as it is printed there.
const t = useInstances(1);

const KEYS = 'https://auth.example.com/.well-known/jwks.json';

/** The user that a printed program finds in a JWT; null where it throws, which names the claim. */
async function userBy(page: string, given: string, jwt: string): Promise<string> {
  const [printed = ''] = printedAll(page, 'js');
  expect(printed).toContain(KEYS);
  const program = `${given}\n${printed.replace(KEYS, `${t.a.url}/.well-known/jwks.json`)}\nconsole.log(payload.sub);`;
  // Jest's workers have FORCE_COLOR where its own output has colours.
  const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' };
  const ran = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, 'example', jwt], { env });
  return ran.then(
    ({ stdout }) => stdout.trim(),
    ({ stderr }: { stderr: string }) => /code: '(\w+)'/.exec(stderr)?.[1] ?? stderr,
  );
}

async function prepare() {
  const { accessToken, user } = await t.a.signUp();
  const assertionFor = async (audience: string) => {
    const { headers } = await t.a.call('GET', `/verify?audience=${audience}`, { bearer: accessToken });
    return headers.get('x-latchkey-assertion')!;
  };
  return { accessToken, user, assertionFor };
}

it('The example of the page about keys accepts an access token, and no assertion', async () => {
  const { accessToken, user, assertionFor } = await prepare();
  const ask = (jwt: string) => userBy('src/keys/README.md', 'const token = process.argv[2];', jwt);
  expect(await ask(accessToken)).toBe(user.id);
  expect(await ask(await assertionFor('https://app.example.com'))).toBe('ERR_JWT_CLAIM_VALIDATION_FAILED');
});

it('The example of the page about proxies accepts an assertion for its audience, and nothing else', async () => {
  const { accessToken, user, assertionFor } = await prepare();
  const given = `const request = { headers: { 'x-latchkey-assertion': process.argv[2] } };`;
  const ask = (jwt: string) => userBy('src/forward-auth/README.md', given, jwt);
  expect(await ask(await assertionFor('https://app.example.com'))).toBe(user.id);
  for (const other of [accessToken, await assertionFor('https://other.example.com')]) {
    expect(await ask(other)).toBe('ERR_JWT_CLAIM_VALIDATION_FAILED');
  }
});
