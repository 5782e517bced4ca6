import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { AuthResult } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { useInstances } from '../support/instances.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';

// What src/signals/README.md gives a reader to paste.
const readme = readFileSync('src/signals/README.md', 'utf8');
const pasted = (heading: string, language: string, index = 0): string => {
  const [, section = ''] = new RegExp(`^## ${heading}\n([^]*?)(?=^## )`, 'm').exec(readme) ?? [];
  return [...section.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))][index]![1]!;
};

const ADDRESS = 'http://localhost:3000';
// They compile first, which is done.
const COMMANDS = [
  ['npm run receiver:add --', 'node dist/signals/receivers/receiver-add.js'],
  ['npm run client:add --', 'node dist/service-clients/client-add.js'],
] as const;

let port: number;
let staff: AuthResult;
const children: ChildProcess[] = [];

beforeAll(async () => {
  port = await freePort();
});
const t = useInstances(1, { env: () => ({ PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}` }) });
beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** Runs a block in bash, with an instance and a port in place of those of the page. */
async function paste(block: string, env: Record<string, string> = {}, ports: Record<string, number> = {}) {
  const script = withPorts(
    COMMANDS.reduce((text, [from, to]) => text.replace(from, to), block).replaceAll(ADDRESS, t.a.url),
    ports,
  );
  return promisify(execFile)('bash', ['--norc', '-euo', 'pipefail', '-c', script], {
    env: { PATH: process.env['PATH'], ...SECRETS, DATABASE_URL: t.database.url, ...env },
  });
}

const withPorts = (text: string, ports: Record<string, number>): string =>
  Object.entries(ports).reduce((result, [from, to]) => result.replaceAll(from, String(to)), text);

/** Starts a program of the page, which listens. */
async function start(source: string, listens: number, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source.replace(ADDRESS, t.a.url)], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  // It may answer what it wants: it is there.
  await until('it listens', () =>
    fetch(`http://127.0.0.1:${listens}/`).then(
      () => true,
      () => false,
    ),
  );
  return { lines: () => printed.split('\n').slice(0, -1) };
}

const admin = (method: string, path: string) =>
  t.a.call(method, `/admin/receivers${path}`, { bearer: staff.accessToken });

const isTaken = (receiverId: string, count: number) =>
  until('it is taken', async () => {
    const { items } = (await admin('GET', `/${receiverId}/deliveries?state=delivered`)).body;
    return items.length >= count && items;
  });

describe('receiving a webhook', () => {
  const source = pasted('Receiving a webhook', 'js');

  it('The example is 20 lines, prints an event once though it comes twice, and takes nothing with a wrong signature', async () => {
    const code = source.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('import '));
    expect(code.length).toBeLessThanOrEqual(20);
    const listens = await freePort();
    const { stdout, stderr } = await paste(pasted('Receiving a webhook', 'sh'), {}, { 4000: listens });
    const [, id = '', secret = ''] = /^id: (\S+)\nsecret: (whsec_\S+)\n$/.exec(stdout) ?? [];
    expect(stderr).toMatch(/is sent session\.revoked, session\.expired from now on/);
    const program = await start(withPorts(source, { 4000: listens }), listens, { LATCHKEY_WEBHOOK_SECRET: secret });

    const device = await t.a.signUp();
    await t.a.logout(device.refreshToken);
    const [delivery] = await isTaken(id, 1);
    expect((await admin('POST', `/${id}/deliveries/${delivery.id}/redeliver`)).body.state).toBe('waiting');
    await until('it is taken once more', async () => {
      const { body } = await admin('GET', `/${id}/deliveries/${delivery.id}`);
      return body.state === 'delivered' && body.finishedAt !== delivery.finishedAt;
    });
    const other = await t.a.signUp();
    await t.a.logoutAll(other.refreshToken);
    await isTaken(id, 2);
    expect(program.lines()).toEqual([
      `session.revoked ${device.session.id} logout`,
      `session.revoked ${other.session.id} logout_all`,
    ]);

    const send = async (headers: Record<string, string>) =>
      (await fetch(`http://127.0.0.1:${listens}/`, { method: 'POST', headers, body: '{"type":"session.revoked"}' }))
        .status;
    const now = String(Math.floor(Date.now() / 1000));
    const forged = {
      'webhook-id': 'x',
      'webhook-timestamp': now,
      'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}`,
    };
    expect([await send(forged), await send({})]).toEqual([401, 401]);
    expect(program.lines()).toHaveLength(2);
  });

  it('Without its secret it does not start, and says so', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = await once(child, 'close');
    expect([code, said]).toEqual([1, expect.stringContaining("Secret can't be empty")]);
  });

  it('Staff add a receiver as the page has it, and its secret is in the answer', async () => {
    const { stdout } = await paste(pasted('Receiving a webhook', 'sh', 1), { STAFF_TOKEN: staff.accessToken });
    expect(JSON.parse(stdout)).toMatchObject({
      kind: 'webhook',
      url: 'http://127.0.0.1:4000/latchkey',
      events: ['session.revoked', 'session.expired'],
      secret: expect.stringMatching(/^whsec_/),
    });
    expect((await admin('DELETE', `/${JSON.parse(stdout).id}`)).status).toBe(204);
  });

  it.each([
    ['no event', ['http://127.0.0.1:4000/'], 2, /Say: npm run receiver:add/],
    [
      'an event that is none',
      ['http://127.0.0.1:4000/', '--event', 'session.paused'],
      2,
      /events must be a list of at least one of/,
    ],
    [
      'a URL that nothing is sent to',
      ['http://10.0.0.1/', '--event', 'session.revoked'],
      1,
      /url must begin with https:/,
    ],
  ])('From the shell a receiver with %s is not added, and the reason is said', async (_, args, code, why) => {
    const failed = await paste(`npm run receiver:add -- ${args.join(' ')}`).catch((error: object) => error);
    expect(failed).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(why) });
  });
});

it('The relying party of the page ends what a logout token names, takes a test, and refuses what is no logout token', async () => {
  const listens = await freePort();
  const added = await paste(pasted('Back-channel logout', 'sh'), {}, { 4001: listens });
  const [, id = ''] = /^id: (\S+)\n$/.exec(added.stdout) ?? [];
  const program = await start(withPorts(pasted('Back-channel logout', 'js'), { 4001: listens }), listens);
  const device = await t.a.signUp();
  await t.a.logout(device.refreshToken);
  await isTaken(id, 1);
  expect(program.lines()).toEqual([`log out ${device.user.id} ${device.session.id}`]);
  const { body: test } = await admin('POST', `/${id}/test`);
  await isTaken(id, 2);
  expect(program.lines()[1]).toBe(`log out ${test.id} everywhere`);

  const send = async (token: string) => {
    const body = new URLSearchParams({ logout_token: token });
    return (await fetch(`http://127.0.0.1:${listens}/logout`, { method: 'POST', body })).status;
  };
  expect([await send(''), await send('a.b.c'), await send(staff.accessToken)]).toEqual([400, 400, 400]);
});

it('A partner makes a stream as the page has it', async () => {
  const { stdout } = await paste(pasted('Shared signals', 'sh'));
  expect(JSON.parse(stdout)).toMatchObject({
    stream_id: expect.any(String),
    delivery: { method: 'urn:ietf:rfc:8936' },
  });
});
