import { createHash, randomUUID } from 'node:crypto';
import type { Answer, AuthResult } from '../support/api.js';
import { addClient, runClientAdd, signUpStaff, someClientName } from '../support/clients.js';
import { useInstances } from '../support/instances.js';

const t = useInstances(2);
let staff: AuthResult;
beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

const asStaff = (method: string, path: string, body?: unknown, api = t.a): Promise<Answer> =>
  api.call(method, `/admin/clients${path}`, { bearer: staff.accessToken, ...(body !== undefined && { body }) });
const codeOf = ({ status, body }: Answer) => `${status} ${body?.code ?? ''}`.trim();
const trailOf = (note: string) =>
  t.database.query<{ type: string }>(
    `SELECT type, outcome, actor_id, note, ip FROM audit_events WHERE note LIKE $1 ORDER BY at, id`,
    [`${note}%`],
  );

describe('POST /admin/clients', () => {
  it('A service client gets an id and a secret, which is shown once and stored as a hash alone', async () => {
    const name = someClientName();
    const { status, body } = await asStaff('POST', '', { name, scopes: ['introspect', 'verify'] });
    expect([status, body]).toEqual([
      201,
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        name,
        scopes: ['introspect', 'verify'],
        createdAt: expect.any(String),
        secrets: [{ id: expect.any(String), createdAt: body.createdAt, lastUsedAt: null }],
        clientSecret: expect.stringMatching(/^lks_[\w-]{43}$/),
      },
    ]);
    const listed = await asStaff('GET', '', undefined, t.b);
    const { clientSecret, ...shown } = body;
    expect(listed.body.items.find(({ id }: { id: string }) => id === body.id)).toEqual(shown);

    const [row] = await t.database.query<{ secret_hash: Buffer }>(
      'SELECT secret_hash FROM service_client_secrets WHERE client_id = $1',
      [body.id],
    );
    expect(row!.secret_hash).toEqual(createHash('sha256').update(clientSecret).digest());
    const tables = await t.database.query<{ text: string }>(
      `SELECT c::text AS text FROM service_clients c UNION ALL SELECT s::text FROM service_client_secrets s
       UNION ALL SELECT a::text FROM audit_events a`,
    );
    expect(tables.filter(({ text }) => text.includes(clientSecret))).toEqual([]);
    expect(await trailOf(body.id)).toEqual([
      {
        type: 'service_client_created',
        outcome: 'success',
        actor_id: staff.user.id,
        note: `${body.id} ${name}`,
        ip: '127.0.0.1',
      },
    ]);
  });

  it('A name that another client has is refused, of many requests at once all but one, until that client has ended', async () => {
    const body = { name: someClientName(), scopes: ['revoke'] };
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => asStaff('POST', '', body, i % 2 ? t.a : t.b)),
    );
    expect(answers.map(codeOf).toSorted()).toEqual(['201', ...Array<string>(7).fill('409 client_name_taken')]);
    const { id } = answers.find(({ status }) => status === 201)!.body;
    expect((await asStaff('DELETE', `/${id}`)).status).toBe(204);
    expect((await asStaff('POST', '', body)).status).toBe(201);
  });

  it.each([
    [{ name: '', scopes: ['revoke'] }, 'name'],
    [{ name: 'x'.repeat(65), scopes: ['revoke'] }, 'name'],
    [{ name: 'a\u202eb', scopes: ['revoke'] }, 'name'],
    [{ scopes: ['revoke'] }, 'name'],
    [{ name: 'x', scopes: [] }, 'scopes'],
    [{ name: 'x', scopes: ['admin'] }, 'scopes'],
    [{ name: 'x', scopes: ['revoke', 'revoke'] }, 'scopes'],
    [{ name: 'x', scopes: 'revoke' }, 'scopes'],
    [{ name: 'x', scopes: [['revoke']] }, 'scopes'],
    [{ name: 'x' }, 'scopes'],
    [{ name: 'x', scopes: ['revoke'], secret: 'mine' }, 'secret'],
  ])('A service client like %j is refused, and the answer names the field', async (body, field) => {
    const answer = await asStaff('POST', '', body);
    expect([codeOf(answer), answer.body.errors]).toEqual([
      '400 validation_failed',
      [{ field, message: expect.stringMatching(/^(must|is) /) }],
    ]);
  });
});

it('Service clients are listed a page at a time, the newest first', async () => {
  const added = [];
  for (let i = 0; i < 3; i++) added.unshift((await addClient(t.a, staff, 'verify')).id);
  const first = await asStaff('GET', '?limit=2');
  const second = await asStaff('GET', `?limit=2&cursor=${first.body.nextCursor}`);
  const ids = [...first.body.items, ...second.body.items].map(({ id }: { id: string }) => id);
  expect(ids.slice(0, 3)).toEqual(added);
  expect(codeOf(await asStaff('GET', '?cursor=x'))).toBe('400 validation_failed');
});

describe('secrets', () => {
  it('A client may have up to five, of which all but the last can be ended, each once', async () => {
    const client = await addClient(t.a, staff, 'verify');
    const secrets = [client.secrets[0]!.id];
    for (let i = 0; i < 4; i++) {
      const { status, body } = await asStaff('POST', `/${client.id}/secret`, undefined, i % 2 ? t.a : t.b);
      expect([status, body]).toEqual([
        201,
        {
          id: expect.any(String),
          createdAt: expect.any(String),
          lastUsedAt: null,
          clientSecret: expect.stringMatching(/^lks_/),
        },
      ]);
      secrets.push(body.id);
    }
    expect(codeOf(await asStaff('POST', `/${client.id}/secret`))).toBe('409 too_many_client_secrets');
    const listed = (await asStaff('GET', '')).body.items.find(({ id }: { id: string }) => id === client.id);
    expect(listed.secrets.map(({ id }: { id: string }) => id)).toEqual(secrets);

    // All at once: one stays.
    const ended = await Promise.all(
      secrets.map((id, i) => asStaff('DELETE', `/${client.id}/secrets/${id}`, undefined, i % 2 ? t.a : t.b)),
    );
    expect(ended.map(codeOf).toSorted()).toEqual(['204', '204', '204', '204', '409 last_client_secret']);
    const again = secrets[ended.findIndex(({ status }) => status === 204)];
    expect(codeOf(await asStaff('DELETE', `/${client.id}/secrets/${again}`))).toBe('404 client_secret_not_found');
    expect((await trailOf(client.id)).map(({ type }) => type)).toEqual([
      'service_client_created',
      ...Array<string>(4).fill('service_client_secret_created'),
      ...Array<string>(4).fill('service_client_secret_ended'),
    ]);
  });

  it('A secret of another client is not found, nor is what is no id', async () => {
    const [client, other] = [await addClient(t.a, staff, 'verify'), await addClient(t.a, staff, 'verify')];
    for (const id of [other.secrets[0]!.id, randomUUID(), 'x', '%00']) {
      expect(codeOf(await asStaff('DELETE', `/${client.id}/secrets/${id}`))).toBe('404 client_secret_not_found');
    }
  });
});

it('An ended client is gone for staff: it is not listed, and nothing can be done to it', async () => {
  const client = await addClient(t.a, staff, 'verify');
  expect((await asStaff('DELETE', `/${client.id}`)).status).toBe(204);
  const answers = [];
  for (const id of [client.id, randomUUID(), 'x', '%00']) {
    answers.push(
      await asStaff('DELETE', `/${id}`, undefined, t.b),
      await asStaff('POST', `/${id}/secret`),
      await asStaff('DELETE', `/${id}/secrets/${client.secrets[0]!.id}`),
    );
  }
  expect(new Set(answers.map(codeOf))).toEqual(new Set(['404 client_not_found']));
  const { items } = (await asStaff('GET', '', undefined, t.b)).body;
  expect(items.some(({ id }: { id: string }) => id === client.id)).toBe(false);
  const secrets = await t.database.query(
    'SELECT ended_at FROM service_client_secrets WHERE client_id = $1 AND ended_at IS NULL',
    [client.id],
  );
  expect(secrets).toEqual([]);
});

it('Service clients are for admins alone', async () => {
  const { accessToken: bearer } = await t.a.signUp();
  const client = await addClient(t.a, staff, 'verify');
  for (const [method, path] of [
    ['GET', ''],
    ['POST', ''],
    ['DELETE', `/${client.id}`],
    ['POST', `/${client.id}/secret`],
    ['DELETE', `/${client.id}/secrets/${client.secrets[0]!.id}`],
  ] as const) {
    expect(codeOf(await t.a.call(method, `/admin/clients${path}`))).toBe('401 invalid_token');
    expect(codeOf(await t.a.call(method, `/admin/clients${path}`, { bearer }))).toBe('403 forbidden');
  }
});

describe('npm run client:add', () => {
  it('The command client:add prints the id and the secret of a new client, which staff see then', async () => {
    const name = someClientName();
    const { code, stdout, stderr } = await runClientAdd(t.database.url, name, '--scope', 'introspect,verify');
    const [, id] = /^client_id: ([0-9a-f-]{36})\nclient_secret: lks_[\w-]{43}\n$/.exec(stdout) ?? [];
    expect([code, stderr]).toEqual([0, `${name} may introspect, verify from now on. The secret is not shown again.\n`]);
    const { items } = (await asStaff('GET', '')).body;
    expect(items[0]).toMatchObject({ id, name, scopes: ['introspect', 'verify'] });
    expect(await trailOf(id!)).toMatchObject([{ type: 'service_client_created', actor_id: null }]);
  });

  it.each([
    [[], 2, 'npm run client:add -- NAME --scope introspect,revoke,verify,signals\n'],
    [['x'], 2, 'npm run client:add --'],
    [['--scope', 'verify'], 2, 'npm run client:add --'],
    [['x', 'y', '--scope', 'verify'], 2, 'npm run client:add --'],
    [['x', '--scopes', 'verify'], 2, 'npm run client:add --'],
    [['x', '--scope', 'verify,admin'], 2, 'The scopes must be a list of at least one of introspect, revoke, verify'],
    [['', '--scope', 'verify'], 2, 'The name must contain a visible character'],
  ])('The command client:add with %j makes no client, and says what it takes', async (args, code, message) => {
    const run = await runClientAdd(t.database.url, ...args);
    expect(run).toEqual({ code, stdout: '', stderr: expect.stringContaining(message) });
    expect(run.stderr).not.toMatch(/\n\s+at /);
  });

  it('The command client:add says that a name is taken, that the database is away, or that it has no tables yet', async () => {
    const client = await addClient(t.a, staff, 'verify');
    const { items } = (await asStaff('GET', '')).body;
    const { name } = items.find(({ id }: { id: string }) => id === client.id);
    const runs = [
      await runClientAdd(t.database.url, name, '--scope', 'verify'),
      await runClientAdd('postgres://nobody:secret@127.0.0.1:1/none', 'x', '--scope', 'verify'),
      await runClientAdd(t.database.url.replace(/[^/]+$/, 'template1'), 'x', '--scope', 'verify'),
    ];
    expect(runs).toEqual([
      { code: 1, stdout: '', stderr: expect.stringMatching(/^Another service client has this name/) },
      {
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/^The database none at 127.0.0.1:1 cannot be used \(ECONNREFUSED\)/),
      },
      { code: 1, stdout: '', stderr: expect.stringContaining('npm run migrate') },
    ]);
  });
});
