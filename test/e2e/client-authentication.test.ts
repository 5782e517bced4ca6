import { Body, Controller, HttpCode, Module, Post } from '@nestjs/common';
import { IsString } from 'class-validator';
import { Retention } from '../../src/database/retention.js';
import { ServiceClientsModule } from '../../src/service-clients/clients.module.js';
import { CurrentClient, ForServiceClient } from '../../src/service-clients/service-client.guard.js';
import type { ServiceClient } from '../../src/service-clients/service-client.js';
import type { AuthResult } from '../support/api.js';
import { useApp } from '../support/app.js';
import { addClient, basic, signUpStaff, type TestClient } from '../support/clients.js';
import { until } from '../support/until.js';

class QuestionDto {
  @IsString()
  readonly question!: string;
}

/** A route as a feature would have it. */
@Controller('test-probe')
class ProbeController {
  @ForServiceClient('verify')
  @Post()
  @HttpCode(200)
  probe(@CurrentClient() client: ServiceClient, @Body() { question }: QuestionDto) {
    return { client, question };
  }
}

@Module({ imports: [ServiceClientsModule], controllers: [ProbeController] })
class ProbeModule {}

const t = useApp({}, {}, { modules: [ProbeModule] });
let staff: AuthResult;
let client: TestClient;
beforeAll(async () => {
  staff = await signUpStaff(t.api, t.database);
  client = await addClient(t.api, staff, 'verify', 'introspect');
});

const probe = (authorization: string | undefined, body: unknown = { question: 'x' }, headers = {}) =>
  t.api.call('POST', '/test-probe', { body, headers: { ...(authorization && { authorization }), ...headers } });
const basicOf = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;
const trail = () =>
  t.database.query<{ type: string; reason: string; note: string | null }>(
    `SELECT type, outcome, reason, note FROM audit_events WHERE type LIKE 'service_client_refused' ORDER BY at, id`,
  );

it('A service client with the scope is let in, and the route is handed which it is', async () => {
  const { status, body } = await probe(basic(client));
  expect([status, body]).toEqual([
    200,
    {
      client: { id: client.id, name: expect.any(String), scopes: ['verify', 'introspect'] },
      question: 'x',
    },
  ]);
  // Whether or not the halves are encoded: ours hold nothing that has to be.
  expect((await probe(basicOf(`${client.id}:${client.clientSecret}`))).status).toBe(200);
  expect((await probe(basic(client).replace('Basic', 'basic'))).status).toBe(200);
});

it('Whatever is wrong with the credentials, the answer is the same bytes: 401 invalid_client', async () => {
  const other = await addClient(t.api, staff, 'verify');
  const ended = await addClient(t.api, staff, 'verify');
  await t.api.call('DELETE', `/admin/clients/${ended.id}`, { bearer: staff.accessToken });
  const { clientSecret } = client;
  const wrong = {
    'no credentials': undefined,
    'an unknown client': basic({ id: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61', clientSecret }),
    'a wrong secret': basic({ id: client.id, clientSecret: clientSecret.replace(/.$/, '-') }),
    'the secret of another client': basic({ id: client.id, clientSecret: other.clientSecret }),
    'an ended client': basic(ended),
    'no secret': basicOf(`${client.id}:`),
    'no colon': basicOf(client.id),
    'no id': basicOf(`:${clientSecret}`),
    nothing: 'Basic',
    'no base64': 'Basic ???',
    'a broken percent sequence': basicOf(`${client.id}:%`),
    'bytes that are no text': `Basic ${Buffer.from([0xff, 0x3a, 0xff]).toString('base64')}`,
    'a NUL': basicOf(`${client.id}\0:${clientSecret}`),
    'an id in upper case': basicOf(`${client.id.toUpperCase()}:${clientSecret}`),
    'a space around': basicOf(` ${client.id}:${clientSecret}`),
    'two pairs': `${basic(client)}, ${basic(client)}`,
    'the secret as a bearer': `Bearer ${clientSecret}`,
    'an access token': `Bearer ${staff.accessToken}`,
    'ten thousand bytes': basicOf(`${client.id}:${'x'.repeat(7000)}`),
  };
  const answers = new Set<string>();
  for (const [what, authorization] of Object.entries(wrong)) {
    const { status, headers, body } = await probe(authorization, undefined, { 'x-request-id': 'same' });
    expect([what, status, headers.get('www-authenticate')]).toEqual([
      what,
      401,
      'Basic realm="latchkey", charset="UTF-8"',
    ]);
    expect(body.code).toBe('invalid_client');
    answers.add(JSON.stringify(body));
  }
  expect(answers.size).toBe(1);
});

it('Clients that call at the same moment are each answered by their own credentials', async () => {
  const others = await Promise.all(Array.from({ length: 8 }, () => addClient(t.api, staff, 'verify')));
  const [first, ...rest] = others as [TestClient, ...TestClient[]];
  await t.api.call('DELETE', `/admin/clients/${first.id}`, { bearer: staff.accessToken });
  const calls = [...rest, ...rest].flatMap((one, index) => [
    [basic(one), one.id],
    [basic({ id: rest[(index + 1) % rest.length]!.id, clientSecret: one.clientSecret }), 'invalid_client'],
    [basic({ id: one.id, clientSecret: 'wrong' }), 'invalid_client'],
    [basic(first), 'invalid_client'],
  ]);
  const answers = await Promise.all(calls.map(([authorization]) => probe(authorization)));
  expect(answers.map(({ body }) => body.client?.id ?? body.code)).toEqual(calls.map(([, expected]) => expected));
});

it('A client without the scope is refused with 403 insufficient_scope, which the audit trail records once a minute', async () => {
  const other = await addClient(t.api, staff, 'revoke');
  for (let i = 0; i < 3; i++) {
    const { status, body } = await probe(basic(other));
    expect([status, body.code, body.detail]).toEqual([
      403,
      'insufficient_scope',
      'This service client does not have the scope verify.',
    ]);
  }
  expect((await trail()).filter(({ note }) => note?.startsWith(other.id))).toMatchObject([
    { outcome: 'failure', reason: 'insufficient_scope' },
  ]);
});

it('The client is refused before its body is: a caller without access learns nothing about a body', async () => {
  const text = { 'content-type': 'text/plain' };
  expect((await probe(undefined, 'x', text)).status).toBe(401);
  expect((await probe(basic(client), 'x', text)).status).toBe(415);
  expect((await probe(undefined, 'x'.repeat(20_000))).status).toBe(401);
  expect((await probe(basic(client), 'x'.repeat(20_000))).status).toBe(413);
  expect((await probe(undefined, '{')).status).toBe(401);
  expect((await probe(basic(client), '{')).body.code).toBe('malformed_body');
  expect((await probe(basic(client), {})).body.code).toBe('validation_failed');
});

it('An access token opens no route for service clients, and a service client no route for people', async () => {
  expect((await probe(`Bearer ${staff.accessToken}`)).status).toBe(401);
  const authorization = basic(client);
  expect((await t.api.call('GET', '/auth/me', { headers: { authorization } })).body.code).toBe('invalid_token');
});

it('Each call sees the client as it is: a second secret works at once, an ended one never again', async () => {
  const changing = await addClient(t.api, staff, 'verify');
  const bearer = staff.accessToken;
  const path = `/admin/clients/${changing.id}`;
  const { clientSecret } = (await t.api.call('POST', `${path}/secret`, { bearer })).body;
  const second = { id: changing.id, clientSecret };
  expect([(await probe(basic(changing))).status, (await probe(basic(second))).status]).toEqual([200, 200]);

  await t.api.call('DELETE', `${path}/secrets/${changing.secrets[0]!.id}`, { bearer });
  expect([(await probe(basic(changing))).status, (await probe(basic(second))).status]).toEqual([401, 200]);

  await t.api.call('DELETE', path, { bearer });
  expect((await probe(basic(second))).status).toBe(401);
});

it('Staff see when a secret was last used', async () => {
  const used = await addClient(t.api, staff, 'verify');
  await probe(basic(used));
  await until('the use is recorded', async () => {
    const { items } = (await t.api.call('GET', '/admin/clients', { bearer: staff.accessToken })).body;
    const [secret] = items.find(({ id }: { id: string }) => id === used.id).secrets;
    return secret.lastUsedAt !== null && secret.lastUsedAt >= secret.createdAt;
  });
});

it('The cleanup deletes ended clients and secrets after 90 days, and leaves the others', async () => {
  const [over, recent, active] = [
    await addClient(t.api, staff, 'verify'),
    await addClient(t.api, staff, 'verify'),
    await addClient(t.api, staff, 'verify'),
  ];
  const bearer = staff.accessToken;
  await t.api.call('POST', `/admin/clients/${active.id}/secret`, { bearer });
  await t.api.call('DELETE', `/admin/clients/${active.id}/secrets/${active.secrets[0]!.id}`, { bearer });
  for (const { id } of [over, recent]) await t.api.call('DELETE', `/admin/clients/${id}`, { bearer });
  for (const table of ['service_clients', 'service_client_secrets']) {
    const of = table === 'service_clients' ? 'id' : 'client_id';
    const sql = `UPDATE ${table} SET ended_at = ended_at - $1::interval WHERE ${of} = ANY($2::uuid[])`;
    await t.database.query(sql, ['90 days 1 second', [over.id]]);
    await t.database.query(sql, ['89 days 23 hours', [recent.id]]);
  }
  await t.database.query(
    `UPDATE service_client_secrets SET ended_at = ended_at - interval '91 days' WHERE client_id = $1`,
    [active.id],
  );
  await t.app.get(Retention).deleteDue();
  const left = await t.database.query<{ id: string; secrets: number }>(
    `SELECT c.id, count(s.id)::integer AS secrets FROM service_clients c LEFT JOIN service_client_secrets s ON s.client_id = c.id
     WHERE c.id = ANY($1::uuid[]) GROUP BY c.id`,
    [[over.id, recent.id, active.id]],
  );
  expect(new Map(left.map(({ id, secrets }) => [id, secrets]))).toEqual(
    new Map([
      [recent.id, 1],
      [active.id, 1],
    ]),
  );
});
