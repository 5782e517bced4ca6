import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { default as addFormats } from 'ajv-formats';
import { declaredProblems } from '../../src/problems/problem.js';
import { type Answer, cookieOf, PASSWORD, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { EventStream } from '../support/event-stream.js';

// The file has the cookie's name of production.
const t = useApp({ COOKIE_SECURE: 'on' }, { hasMissingRows: true });

const ROUTES: Record<string, number[]> = {
  'POST /auth/register': [201, 202, 400, 403, 409, 413, 415, 429, 503],
  'POST /auth/login': [200, 400, 401, 403, 413, 415, 429, 503],
  'POST /auth/refresh': [200, 400, 401, 403, 413, 415, 429, 503],
  'POST /auth/logout': [204, 400, 401, 403, 413, 415, 503],
  'POST /auth/logout-all': [200, 400, 401, 403, 413, 415, 503],
  'POST /auth/password/change': [200, 400, 401, 403, 413, 415, 429, 503],
  'POST /auth/password/forgot': [202, 400, 403, 413, 415, 429, 503],
  'POST /auth/links/preview': [200, 400, 403, 413, 415, 429, 503],
  'POST /auth/password/reset': [204, 400, 403, 413, 415, 429, 503],
  'POST /auth/email/verify': [204, 400, 403, 409, 413, 415, 429, 503],
  'POST /auth/email/change': [202, 400, 401, 403, 413, 415, 429, 503],
  'POST /auth/email/resend': [202, 401, 403, 429, 503],
  'POST /auth/email/undo': [200, 400, 403, 409, 413, 415, 429, 503],
  'POST /sessions/disown': [200, 400, 403, 409, 413, 415, 429, 503],
  'POST /auth/logout-others': [200, 401, 403, 503],
  'GET /auth/me': [200, 401, 503],
  'GET /auth/me/export': [200, 401, 429, 503],
  'POST /auth/me/delete': [204, 400, 401, 403, 409, 413, 415, 429, 503],
  'GET /sessions/history': [200, 400, 401, 429, 503],
  'GET /sessions/places': [200, 400, 401, 503],
  'GET /sessions/events': [200, 401, 429, 503],
  'GET /admin/users': [200, 400, 401, 403, 503],
  'GET /admin/users/{id}/sessions': [200, 400, 401, 403, 404, 503],
  'POST /admin/users/{id}/sessions/revoke': [200, 400, 401, 403, 404, 413, 415, 503],
  'POST /admin/sessions/{id}/revoke': [204, 400, 401, 403, 404, 413, 415, 503],
  'POST /admin/users/{id}/disable': [204, 400, 401, 403, 404, 409, 413, 415, 503],
  'POST /admin/users/{id}/enable': [204, 400, 401, 403, 404, 413, 415, 503],
  'POST /admin/users/{id}/password/reset': [202, 400, 401, 403, 404, 413, 415, 429, 503],
  'GET /admin/audit': [200, 400, 401, 403, 503],
  'POST /admin/incidents': [200, 201, 400, 401, 403, 413, 415, 503],
  'GET /admin/incidents/{id}': [200, 401, 403, 404, 503],
  'POST /admin/receivers': [201, 400, 401, 403, 413, 415, 503],
  'GET /admin/receivers': [200, 400, 401, 403, 503],
  'GET /admin/receivers/{id}': [200, 401, 403, 404, 503],
  'PATCH /admin/receivers/{id}': [200, 400, 401, 403, 404, 413, 415, 503],
  'DELETE /admin/receivers/{id}': [204, 401, 403, 404, 503],
  'POST /admin/receivers/{id}/secret': [201, 401, 403, 404, 409, 503],
  'POST /admin/receivers/{id}/test': [202, 401, 403, 404, 409, 503],
  'GET /admin/receivers/{id}/deliveries': [200, 400, 401, 403, 404, 503],
  'GET /admin/receivers/{id}/deliveries/{deliveryId}': [200, 401, 403, 404, 503],
  'POST /admin/receivers/{id}/deliveries/{deliveryId}/redeliver': [202, 401, 403, 404, 409, 503],
  'GET /.well-known/ssf-configuration': [200, 404],
  'POST /ssf/streams': [201, 400, 401, 403, 404, 409, 413, 415, 429, 503],
  'GET /ssf/streams': [200, 400, 401, 403, 404, 429, 503],
  'PATCH /ssf/streams': [200, 400, 401, 403, 404, 413, 415, 429, 503],
  'PUT /ssf/streams': [200, 400, 401, 403, 404, 413, 415, 429, 503],
  'DELETE /ssf/streams': [204, 400, 401, 403, 404, 429, 503],
  'GET /ssf/status': [200, 400, 401, 403, 404, 429, 503],
  'POST /ssf/status': [200, 400, 401, 403, 404, 413, 415, 429, 503],
  'POST /ssf/verify': [204, 400, 401, 403, 404, 413, 415, 429, 503],
  'POST /ssf/streams/{id}/poll': [200, 400, 401, 403, 404, 413, 415, 429, 503],
  'POST /oauth/token': [200, 400, 401, 403, 413, 429, 503],
  'POST /admin/clients': [201, 400, 401, 403, 409, 413, 415, 503],
  'GET /admin/clients': [200, 400, 401, 403, 503],
  'POST /admin/clients/{id}/secret': [201, 401, 403, 404, 409, 503],
  'DELETE /admin/clients/{id}/secrets/{secretId}': [204, 401, 403, 404, 409, 503],
  'DELETE /admin/clients/{id}': [204, 401, 403, 404, 503],
  'GET /sessions': [200, 400, 401, 503],
  'GET /sessions/current': [200, 401, 503],
  'PATCH /sessions/{id}': [200, 400, 401, 403, 404, 413, 415, 429, 503],
  'DELETE /sessions/{id}': [204, 401, 403, 404, 503],
  'POST /oauth/introspect': [200, 400, 401, 403, 406, 413, 429, 503],
  'POST /verify/batch': [200, 400, 401, 403, 413, 415, 429, 503],
  'GET /.well-known/oauth-authorization-server': [200],
  'POST /oauth/revoke': [200, 400, 401, 403, 413, 429, 503],
  'POST /oauth/global-token-revocation': [204, 400, 401, 403, 404, 413, 429, 503],
  'GET /.well-known/jwks.json': [200],
  'GET /verify': [200, 302, 401, 403, 503],
  'GET /health/live': [200],
  'GET /health/ready': [200, 503],
};

const OPERATION_IDS: Record<string, string> = {
  'POST /auth/register': 'register',
  'POST /auth/login': 'login',
  'POST /auth/refresh': 'refresh',
  'POST /auth/logout': 'logout',
  'POST /auth/logout-all': 'logoutAll',
  'POST /auth/logout-others': 'logoutOthers',
  'GET /auth/me': 'getMe',
  'GET /auth/me/export': 'exportAccount',
  'POST /auth/me/delete': 'deleteAccount',
  'POST /auth/password/change': 'changePassword',
  'POST /auth/password/forgot': 'requestPasswordReset',
  'POST /auth/links/preview': 'previewLink',
  'POST /auth/password/reset': 'resetPassword',
  'POST /auth/email/verify': 'verifyEmail',
  'POST /auth/email/change': 'requestEmailChange',
  'POST /auth/email/resend': 'resendVerification',
  'POST /auth/email/undo': 'undoEmailChange',
  'GET /sessions': 'listSessions',
  'GET /sessions/current': 'getCurrentSession',
  'GET /sessions/history': 'listEndedSessions',
  'GET /sessions/places': 'listPlaces',
  'GET /sessions/events': 'streamSessionEvents',
  'PATCH /sessions/{id}': 'renameSession',
  'DELETE /sessions/{id}': 'revokeSession',
  'POST /sessions/disown': 'disownSession',
  'GET /admin/users': 'listUsers',
  'GET /admin/users/{id}/sessions': 'listUserSessions',
  'POST /admin/users/{id}/sessions/revoke': 'revokeUserSessions',
  'POST /admin/sessions/{id}/revoke': 'revokeAnySession',
  'POST /admin/users/{id}/disable': 'disableUser',
  'POST /admin/users/{id}/enable': 'enableUser',
  'POST /admin/users/{id}/password/reset': 'sendPasswordReset',
  'POST /admin/incidents': 'openIncident',
  'GET /admin/incidents/{id}': 'getIncident',
  'POST /admin/receivers': 'addReceiver',
  'GET /admin/receivers': 'listReceivers',
  'GET /admin/receivers/{id}': 'getReceiver',
  'PATCH /admin/receivers/{id}': 'changeReceiver',
  'DELETE /admin/receivers/{id}': 'deleteReceiver',
  'POST /admin/receivers/{id}/secret': 'replaceReceiverSecret',
  'POST /admin/receivers/{id}/test': 'testReceiver',
  'GET /admin/receivers/{id}/deliveries': 'listDeliveries',
  'GET /admin/receivers/{id}/deliveries/{deliveryId}': 'getDelivery',
  'POST /admin/receivers/{id}/deliveries/{deliveryId}/redeliver': 'redeliver',
  'GET /.well-known/ssf-configuration': 'getSsfConfiguration',
  'POST /ssf/streams': 'createStream',
  'GET /ssf/streams': 'getStreams',
  'PATCH /ssf/streams': 'changeStream',
  'PUT /ssf/streams': 'replaceStream',
  'DELETE /ssf/streams': 'deleteStream',
  'GET /ssf/status': 'getStreamStatus',
  'POST /ssf/status': 'setStreamStatus',
  'POST /ssf/verify': 'verifyStream',
  'POST /ssf/streams/{id}/poll': 'poll',
  'POST /oauth/token': 'issueToken',
  'GET /admin/audit': 'listAuditEvents',
  'POST /admin/clients': 'addClient',
  'GET /admin/clients': 'listClients',
  'POST /admin/clients/{id}/secret': 'addClientSecret',
  'DELETE /admin/clients/{id}/secrets/{secretId}': 'endClientSecret',
  'DELETE /admin/clients/{id}': 'endClient',
  'POST /oauth/introspect': 'introspect',
  'POST /verify/batch': 'verifyBatch',
  'GET /.well-known/oauth-authorization-server': 'getServerMetadata',
  'POST /oauth/revoke': 'revoke',
  'POST /oauth/global-token-revocation': 'revokeGlobally',
  'GET /.well-known/jwks.json': 'listKeys',
  'GET /verify': 'verify',
  'GET /health/live': 'getLiveness',
  'GET /health/ready': 'getReadiness',
};

let document: any;
let paths: any;
let operations: [name: string, operation: any][];

/** A part of the document with everything in place that it refers to, schemas excepted. */
function resolved(part: any): any {
  if (typeof part !== 'object' || part === null) return part;
  const [, kind, name] = /^#\/components\/(?!schemas)(\w+)\/(.+)$/.exec(part.$ref ?? '') ?? [];
  if (kind && name) return resolved(document.components[kind][name]);
  if (Array.isArray(part)) return part.map(resolved);
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, resolved(value)]));
}

beforeAll(async () => {
  document = (await t.api.call('GET', '/docs-json')).body;
  paths = resolved(document.paths);
  operations = Object.entries<any>(paths).flatMap(([path, methods]) =>
    Object.entries<any>(methods).map(([method, operation]): [string, any] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
});

/** Every schema a schema leads to. */
function* schemasIn(schema: any): Generator<any> {
  const target = schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1)] : schema;
  yield target;
  const parts = [...Object.values<any>(target.properties ?? {}), target.items, ...(target.oneOf ?? [])];
  for (const part of parts) {
    if (part) yield* schemasIn(part);
  }
}

it('The file openapi.json is the document that the service serves: where it is not, run "npm run openapi" and commit it', () => {
  expect(JSON.parse(readFileSync('openapi.json', 'utf8'))).toEqual(document);
});

it('The types of the client are those of openapi.json: where they are not, run "npm run openapi" and commit them', () => {
  const written = execFileSync('node_modules/.bin/openapi-typescript', ['openapi.json'], { encoding: 'utf8' });
  expect(readFileSync('src/client/openapi.d.mts', 'utf8').trim() === written.trim()).toBe(true);
});

it('The OpenAPI document is version 3.1 and describes every route and status of the contract, and no other', () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(operations.map(([name]) => name).toSorted()).toEqual(Object.keys(ROUTES).toSorted());
  for (const [name, { responses }] of operations) {
    const statuses = Object.keys(responses).filter((status) => status !== 'default' && status !== '500');
    expect([name, statuses.map(Number)]).toEqual([name, ROUTES[name]]);
    expect(responses).toHaveProperty('default');
    expect(responses).toHaveProperty('500');
  }
});

it('The OpenAPI document gives every route a summary, an id of its own and what it needs for authentication', () => {
  expect(Object.keys(document.components.securitySchemes)).toEqual([
    'bearer',
    'staff',
    'serviceClient',
    'refreshCookie',
    'visitCookie',
  ]);
  expect(new Set(operations.map(([, { operationId }]) => operationId)).size).toBe(operations.length);
  for (const [name, { summary, security }] of operations) {
    expect([name, typeof summary, Array.isArray(security)]).toEqual([name, 'string', true]);
  }
});

it('The OpenAPI document gives every operation the id that a generated client calls', () => {
  expect(Object.fromEntries(operations.map(([name, { operationId }]) => [name, operationId]))).toEqual(OPERATION_IDS);
});

it('The OpenAPI document defines error answers once and refers to them', () => {
  const answers = Object.values<any>(document.paths)
    .flatMap((methods) => Object.values<any>(methods))
    .flatMap(({ responses }) => Object.entries<any>(responses));
  for (const [status, response] of answers) {
    expect([status, '$ref' in response]).toEqual([status, !/^[23]/.test(status)]);
  }
});

it('The OpenAPI document has an example for every field, and its examples of errors match the catalogue of codes', () => {
  const details = new Map(declaredProblems().map(({ code, detail }) => [code, detail]));
  for (const [, { requestBody, responses }] of operations) {
    const success = Object.entries<any>(responses).filter(([status]) => status.startsWith('2'));
    for (const { content = {} } of [requestBody ?? {}, ...success.map(([, response]) => response)]) {
      for (const { schema } of Object.values<any>(content)) {
        for (const { properties = {} } of schemasIn(schema)) {
          for (const [field, property] of Object.entries<any>(properties)) {
            const isDescribed = 'example' in property || property.$ref || property.items;
            expect([field, Boolean(isDescribed)]).toEqual([field, true]);
          }
        }
      }
    }
    for (const [status, { content, headers }] of Object.entries<any>(responses)) {
      expect(headers).toHaveProperty('X-Request-Id');
      for (const [code, { value }] of Object.entries<any>(content?.['application/problem+json']?.examples ?? {})) {
        expect(value).toMatchObject({ code, status: Number(status), detail: details.get(code) });
      }
      for (const [code, { value }] of Object.entries<any>(content?.['application/json']?.examples ?? {})) {
        expect(value).toEqual({ error: code, error_description: expect.any(String) });
      }
    }
  }
});

it('The OpenAPI document names its types as a client calls them, and every set of values is a type of its own', () => {
  const { schemas } = document.components;
  expect(Object.keys(schemas).filter((name) => /Dto/.test(name))).toEqual([]);
  for (const [type, properties] of Object.entries({
    Session: ['id', 'current', 'device', 'expiresAt'],
    User: ['id', 'email', 'role'],
    AuthResult: ['accessToken', 'user', 'session'],
    Problem: ['code', 'detail', 'errors'],
    LoginRequest: ['email', 'password', 'tokenDelivery'],
  })) {
    expect(Object.keys(schemas[type].properties)).toEqual(expect.arrayContaining(properties));
  }
  const sets = Object.entries<any>(schemas).filter(([, schema]) => schema.enum);
  expect(sets.map(([name]) => name).toSorted()).toEqual([
    'AuditEventType',
    'AuditOutcome',
    'DeliveryState',
    'DeviceType',
    'EndReason',
    'EndedBy',
    'Includable',
    'LinkPurpose',
    'ProblemCode',
    'ReceiverDisabledReason',
    'ReceiverKind',
    'RevocationReason',
    'Role',
    'ServiceClientScope',
    'SignalEvent',
    'SigningAlgorithm',
    'StreamDeliveryMethod',
    'StreamStatusValue',
    'TokenDelivery',
  ]);
  for (const [name, { description }] of sets) expect([name, description]).toEqual([name, expect.any(String)]);
  // A single value is a constant, such as the type of a token.
  const inline = Object.entries<any>(schemas).flatMap(([name, { properties = {} }]) =>
    Object.entries<any>(properties).flatMap(([field, { enum: values = [] }]) =>
      values.length > 1 ? [name, field] : [],
    ),
  );
  expect(inline).toEqual([]);
});

it('The OpenAPI document describes each event of the stream as it is sent', async () => {
  const { content } = paths['/sessions/events'].get.responses['200'];
  const { $ref } = content['text/event-stream'].schema;
  const { discriminator } = document.components.schemas[$ref.split('/').at(-1)];
  const ajv = addFormats.default(new Ajv2020({ strict: false })).addSchema(document, 'document');
  const isDescribed = ajv.compile({ $ref: `document${$ref}` });

  const laptop = await t.api.signUp();
  const stream = await EventStream.open(t.api, laptop.accessToken, { lastEventId: '1' });
  const phone = await t.api.signIn(laptop.credentials);
  await t.api.refresh(phone.refreshToken);
  await t.api.call('PATCH', `/sessions/${phone.session.id}`, {
    bearer: laptop.accessToken,
    body: { deviceName: 'Phone' },
  });
  await t.api.endSession(laptop.accessToken, phone.session.id);
  await t.api.endSession(laptop.accessToken, laptop.session.id);
  await stream.ended();

  expect(new Set(stream.events.map(({ type }) => type))).toEqual(new Set(Object.keys(discriminator.mapping)));
  for (const { type: event, id, data } of stream.events) {
    expect([event, isDescribed({ event, id, data }), isDescribed.errors]).toEqual([event, true, null]);
    expect([event, isDescribed({ event, id: 5, data }), isDescribed({ event: 'other', id, data })]).toEqual([
      event,
      false,
      false,
    ]);
  }
});

it('The OpenAPI document lists the whole catalogue of error codes', () => {
  expect(document.components.schemas.ProblemCode.enum).toEqual(declaredProblems().map(({ code }) => code));
});

it('The OpenAPI document describes the headers of answers exactly where real answers carry them', async () => {
  const NAMES = ['set-cookie', 'clear-site-data', 'www-authenticate', 'retry-after', 'x-request-id'];
  const answers: [route: string, answer: Answer][] = [];
  const call = async (route: string, options: Parameters<typeof t.api.call>[2] = {}) => {
    const [method = '', path = ''] = route.split(' ');
    const answer = await t.api.call(method, path, options);
    answers.push([route, answer]);
    return answer;
  };
  const browser = async () => {
    const answer = await call('POST /auth/register', { body: someone() });
    return { cookie: cookieOf(answer), bearer: answer.body.accessToken as string, email: answer.body.user.email };
  };
  const forged = '__Host-refresh_token=forged';

  const { cookie: first, bearer, email } = await browser();
  await call('POST /auth/login', { body: { email, password: PASSWORD } });
  await call('POST /auth/login', { body: { email, password: 'not the password' } });
  const cookie = cookieOf(await call('POST /auth/refresh', { cookie: first }));
  await call('POST /auth/refresh', { cookie: forged });
  await call('POST /auth/refresh', { cookie, body: { refreshToken: 'another' } });
  const changed = await call('POST /auth/password/change', {
    bearer,
    body: { currentPassword: PASSWORD, newPassword: 'another good passphrase' },
  });
  await call('POST /auth/refresh', { cookie });
  await call('POST /auth/logout-all', { cookie });
  await call('POST /auth/logout-all', { cookie, body: { refreshToken: 'another' } });
  await call('POST /auth/logout', { cookie });
  await call('POST /auth/logout', { bearer });
  await call('POST /auth/logout', { cookie: cookieOf(changed) });
  await call('POST /auth/logout-all', { cookie: (await browser()).cookie });
  await call('POST /auth/me/delete', { ...(await browser()), body: { password: PASSWORD } });
  await call('GET /auth/me');
  await call('GET /health/ready');

  const seen = answers.flatMap(([route, { status, headers }]) =>
    NAMES.filter((name) => headers.has(name)).map((name) => `${route} ${status} ${name}`),
  );
  const asked = new Set(answers.map(([route, { status }]) => `${route} ${status}`));
  const described = operations.flatMap(([route, { responses }]) =>
    Object.entries<any>(responses)
      .filter(([status]) => asked.has(`${route} ${status}`))
      .flatMap(([status, { headers }]) =>
        Object.keys(headers).map((name) => `${route} ${status} ${name.toLowerCase()}`),
      ),
  );
  expect([...new Set(seen)].toSorted()).toEqual(described.toSorted());

  // Of the headers about the cookie, no answer is described that was not seen above.
  const aboutCookie = operations.flatMap(([route, { responses }]) =>
    Object.entries<any>(responses)
      .filter(([, { headers }]) => 'Set-Cookie' in headers || 'Clear-Site-Data' in headers)
      .map(([status]) => `${route} ${status}`),
  );
  expect(aboutCookie.filter((answer) => !asked.has(answer))).toEqual([]);
  expect(aboutCookie).toEqual(expect.arrayContaining(['POST /auth/logout 400', 'POST /auth/logout 401']));
  expect(paths['/auth/me'].get.responses['503'].headers).toHaveProperty('Retry-After');
});

it('The OpenAPI document describes each tag in three lines that say what to try', () => {
  const tags = new Set<string>(operations.flatMap(([, { tags: names }]) => names));
  expect(new Set(document.tags.map(({ name }: any) => name))).toEqual(tags);
  for (const { name, description } of document.tags) {
    expect([name, description.split('\n- ').length]).toEqual([name, 3]);
  }
});

it('The OpenAPI document describes every operation and every parameter', () => {
  const silent = operations.flatMap(([name, { description, parameters = [], responses }]) => [
    ...(description ? [] : [name]),
    ...Object.entries<any>(responses).flatMap(([status, answer]) => (answer.description ? [] : [`${name} ${status}`])),
    ...parameters.filter((one: any) => !one.description).map((one: any) => `${name} ${one.name}`),
  ]);
  expect(silent).toEqual([]);
});

/** Every description below a part of the document. */
function* descriptionsIn(part: any): Generator<string> {
  for (const [key, value] of Object.entries<any>(typeof part === 'object' && part !== null ? part : {})) {
    if (key === 'description' && typeof value === 'string') yield value;
    else if (!/^examples?$/.test(key)) yield* descriptionsIn(value);
  }
}

it('Nothing in the descriptions of the OpenAPI document is taken for markup and lost', () => {
  // What is outside of code, of strong text and of escapes.
  const texts = [...descriptionsIn(document)].map((text) => text.replaceAll(/`[^`]*`|\*\*[^*]+\*\*|\\[<*_|]/g, ''));
  expect(texts.filter((text) => /[<*|]|(^|\W)_|_(\W|$)/.test(text))).toEqual([]);
});
