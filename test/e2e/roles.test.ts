import { readFileSync } from 'node:fs';
import { type Answer, PASSWORD, someone } from '../support/api.js';
import { basic } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { Mailbox, SUBJECTS } from '../support/mailbox.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let mailbox: Mailbox;

beforeAll(async () => {
  database = await createDatabase();
  mailbox = await Mailbox.open();
}, 60_000);

afterAll(async () => {
  await mailbox.stop();
  await database.drop();
});

describe('the role that serves', () => {
  let instance: Instance;
  const walked = new Set<string>();

  beforeAll(async () => {
    instance = await startInstance({ env: { DATABASE_URL: database.url, SMTP_URL: mailbox.url } });
  }, 60_000);

  afterAll(async () => {
    try {
      await expectInvariants(database, { api: instance.api, hasMissingRows: true });
    } finally {
      await instance.kill('SIGTERM');
    }
  });

  /** Takes a route, which must do what it is for. */
  async function walk(
    route: string,
    {
      id = '',
      secretId = '',
      deliveryId = '',
      query = '',
      ...call
    }: {
      id?: string;
      secretId?: string;
      deliveryId?: string;
      query?: string;
      bearer?: string;
      body?: unknown;
      headers?: Record<string, string>;
    } = {},
  ) {
    const [method, path] = route.split(' ') as [string, string];
    const answer: Answer = await instance.api.call(
      method,
      path.replace('{id}', id).replace('{secretId}', secretId).replace('{deliveryId}', deliveryId) + query,
      call,
    );
    expect([route, answer.status < 300 || answer]).toEqual([route, true]);
    walked.add(route);
    return answer.body;
  }

  it('The database role that only serves may do all that any route does', async () => {
    const { api } = instance;
    await walk('GET /health/live');
    await walk('GET /health/ready');
    await walk('GET /.well-known/jwks.json');
    const me = someone();
    const signIn = () => walk('POST /auth/login', { body: { ...me, tokenDelivery: 'body' } });
    let { accessToken: bearer, user } = await walk('POST /auth/register', { body: { ...me, tokenDelivery: 'body' } });
    await walk('POST /auth/email/resend', { bearer });
    const verification = await mailbox.tokenFor(me.email, SUBJECTS.verification, 2);
    await walk('POST /auth/email/verify', { body: { token: verification } });
    ({ accessToken: bearer } = await walk('POST /auth/password/change', {
      bearer,
      body: { currentPassword: PASSWORD, newPassword: PASSWORD },
    }));
    await walk('POST /auth/email/change', { bearer, body: { email: someone().email } });

    for (const route of [
      'GET /auth/me',
      'GET /auth/me/export',
      'GET /sessions',
      'GET /sessions/current',
      'GET /verify',
    ]) {
      await walk(route, { bearer });
    }
    const events = await fetch(`${api.url}/sessions/events`, { headers: { authorization: `Bearer ${bearer}` } });
    expect(events.status).toBe(200);
    await events.body?.cancel();
    walked.add('GET /sessions/events');

    const other = await signIn();
    await walk('PATCH /sessions/{id}', { bearer, id: other.session.id, body: { deviceName: 'Phone' } });
    await walk('DELETE /sessions/{id}', { bearer, id: other.session.id });
    await walk('GET /sessions/history', { bearer });
    await walk('GET /sessions/places', { bearer, query: '?addresses=::1' });
    await walk('POST /auth/logout-others', { bearer });
    const { refreshToken } = await walk('POST /auth/refresh', {
      body: { refreshToken: (await signIn()).refreshToken },
    });
    await walk('POST /auth/logout', { body: { refreshToken } });
    await walk('POST /auth/logout-all', { body: { refreshToken: (await signIn()).refreshToken } });

    await api.login({ ...me }, { headers: { 'user-agent': 'Mozilla/5.0 (Windows NT 10.0) Firefox/140.0' } });
    await walk('POST /sessions/disown', { body: { token: await mailbox.tokenFor(me.email, SUBJECTS.newDevice) } });
    await walk('POST /auth/password/forgot', { body: { email: me.email } });
    const reset = await mailbox.tokenFor(me.email, SUBJECTS.reset);
    await walk('POST /auth/links/preview', { body: { token: reset } });
    await walk('POST /auth/password/reset', { body: { token: reset, newPassword: PASSWORD } });

    const { email } = someone();
    await walk('POST /auth/email/change', { bearer: (await signIn()).accessToken, body: { email } });
    const change = await mailbox.tokenFor(email, SUBJECTS.confirmChange);
    await walk('POST /auth/email/verify', { body: { token: change } });
    const undo = await mailbox.tokenFor(me.email, SUBJECTS.addressChanged);
    const { resetToken } = await walk('POST /auth/email/undo', { body: { token: undo } });
    await walk('POST /auth/password/reset', { body: { token: resetToken, newPassword: PASSWORD } });

    const staff = await api.signUp();
    await database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
    const asStaff = { bearer: staff.accessToken, id: user.id };
    await walk('GET /admin/users', asStaff);
    await walk('GET /admin/audit', asStaff);
    await walk('GET /admin/users/{id}/sessions', asStaff);
    const ended = await signIn();
    const why = { reason: 'a test' };
    await walk('POST /admin/sessions/{id}/revoke', { ...asStaff, id: ended.session.id, body: why });
    for (const action of ['sessions/revoke', 'password/reset', 'disable', 'enable']) {
      await walk(`POST /admin/users/{id}/${action}`, { ...asStaff, body: why });
    }
    const service = { name: 'billing', scopes: ['introspect', 'verify', 'revoke', 'signals'] };
    const client = await walk('POST /admin/clients', { ...asStaff, body: service });
    await walk('GET /admin/clients', asStaff);
    const asClient = { ...asStaff, id: client.id, secretId: client.secrets[0].id };
    const authorization = basic(client);
    const form = { 'content-type': 'application/x-www-form-urlencoded', authorization };
    await walk('GET /.well-known/oauth-authorization-server');
    await walk('POST /oauth/introspect', { headers: form, body: `token=${bearer}` });
    await walk('POST /verify/batch', { headers: { authorization }, body: { tokens: [bearer] } });
    const token = (await signIn()).accessToken;
    await walk('POST /oauth/revoke', { headers: form, body: `token=${token}` });
    await walk('POST /oauth/global-token-revocation', {
      headers: { authorization },
      body: { sub_id: { format: 'opaque', id: user.id } },
    });
    await walk('POST /oauth/token', { headers: form, body: 'grant_type=client_credentials' });
    await walk('GET /.well-known/ssf-configuration');
    const bySignals = { headers: { authorization } };
    const { stream_id } = await walk('POST /ssf/streams', { ...bySignals, body: {} });
    await walk('GET /ssf/streams', bySignals);
    for (const method of ['PATCH', 'PUT']) await walk(`${method} /ssf/streams`, { ...bySignals, body: { stream_id } });
    await walk('GET /ssf/status', { ...bySignals, query: `?stream_id=${stream_id}` });
    await walk('POST /ssf/status', { ...bySignals, body: { stream_id, status: 'enabled' } });
    await walk('POST /ssf/verify', { ...bySignals, body: { stream_id } });
    await walk('POST /ssf/streams/{id}/poll', { ...bySignals, id: stream_id, body: { returnImmediately: true } });
    await walk('DELETE /ssf/streams', { ...bySignals, query: `?stream_id=${stream_id}` });
    const hook = { url: 'http://127.0.0.1:1/', kind: 'webhook', events: ['session.revoked'] };
    const receiver = { ...asStaff, id: (await walk('POST /admin/receivers', { ...asStaff, body: hook })).id };
    await walk('GET /admin/receivers', asStaff);
    await walk('GET /admin/receivers/{id}', receiver);
    await walk('PATCH /admin/receivers/{id}', { ...receiver, body: { description: 'Billing' } });
    await walk('POST /admin/receivers/{id}/secret', receiver);
    const { id: deliveryId } = await walk('POST /admin/receivers/{id}/test', receiver);
    await walk('GET /admin/receivers/{id}/deliveries', receiver);
    await walk('GET /admin/receivers/{id}/deliveries/{deliveryId}', { ...receiver, deliveryId });
    await walk('POST /admin/receivers/{id}/deliveries/{deliveryId}/redeliver', { ...receiver, deliveryId });
    await walk('DELETE /admin/receivers/{id}', receiver);
    await walk('POST /admin/clients/{id}/secret', asClient);
    await walk('DELETE /admin/clients/{id}/secrets/{secretId}', asClient);
    await walk('DELETE /admin/clients/{id}', asClient);
    const where = { userIds: [user.id], role: 'user', network: '127.0.0.0/8' };
    const { id } = await walk('POST /admin/incidents', { ...asStaff, body: { where, ...why } });
    await walk('GET /admin/incidents/{id}', { ...asStaff, id });
    await until(
      'the incident is over',
      async () => (await walk('GET /admin/incidents/{id}', { ...asStaff, id })).finishedAt,
    );
    await walk('POST /auth/me/delete', { bearer: (await signIn()).accessToken, body: { password: PASSWORD } });

    const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as { paths: Record<string, object> };
    const routes = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect([...walked].toSorted()).toEqual(routes.toSorted());
    expect(instance.output()).not.toContain('permission denied');
  }, 60_000);
});
