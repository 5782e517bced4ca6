import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { addClient, signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';

// What src/oauth/README.md gives a reader to paste.
const readme = readFileSync('src/oauth/README.md', 'utf8');
const section = readme.slice(readme.indexOf('## An API in any language'));
const block = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(section)?.[1] ?? '';

const t = useInstances(1);

it('The example of introspection, pasted into bash, prints what its page says', async () => {
  const { id, clientSecret } = await addClient(t.a, await signUpStaff(t.a, t.database), 'introspect');
  const pasted = block('bash')
    .replace('http://localhost:3000', t.a.url)
    .replace('client_id:client_secret', `${id}:${clientSecret}`);
  expect(pasted).toContain(clientSecret);
  const { stdout, stderr } = await promisify(execFile)('bash', ['-uc', pasted]);
  expect([stdout, stderr]).toEqual([block('text').trim(), '']);
});
