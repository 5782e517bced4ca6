// Drives every operation of the OpenAPI document with valid, near-valid and hostile requests, and holds every answer
// against the document. The same seed makes the same requests: FUZZ_SEED=1 FUZZ_SECONDS=30 npm run fuzz
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { default as addFormats } from 'ajv-formats';
import fc from 'fast-check';
import { Pool } from 'pg';
import { startEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { Api } from '../support/api.js';
import { addClient, basic, signUpStaff } from '../support/clients.js';
import { expectInvariants } from '../support/invariants.js';
import { ledger } from '../support/ledger.js';
import { startInstance } from '../support/instance.js';

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 30);
const SEED = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31));
const BATCH = 500;
const TOGETHER = 8;
const ACTOR_LASTS = 40;

type Json = Record<string, any>;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly schema: Json | null;
  /** Of its body. */
  readonly mediaType: string;
  readonly responses: Json;
}

interface FuzzRequest {
  readonly operation: number;
  readonly id: string;
  readonly query: string;
  readonly token: 'none' | 'valid' | 'ended' | 'mangled' | 'hostile' | 'client';
  readonly contentType: string | null;
  readonly body: string | null;
  readonly headers: Record<string, string>;
}

const JSON_TYPE = 'application/json';
const FORM = 'application/x-www-form-urlencoded';

// What any request may be told besides what its operation says; the document's "default" answers.
const ANYWHERE = new Set([400, 404, 405, 408, 413, 414, 415, 431]);

const HOSTILE_TEXT = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.constantFrom(
    '',
    ' ',
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\u202eevil',
    "' OR 1=1 --",
    '${jndi:ldap://x}',
    '../../etc/passwd',
    '<script>alert(1)</script>',
    'a'.repeat(5000),
    'x@example.com',
    '💥'.repeat(40),
    '%00',
    'null',
    '-1',
    '1e309',
  ),
);
const HOSTILE_VALUE: fc.Arbitrary<unknown> = fc.oneof(
  HOSTILE_TEXT,
  fc.constantFrom(null, true, 0, -1, 1e308, [], {}, [[]], { $gt: '' }, { toString: 1 }, { length: 1 }),
  fc.jsonValue({ maxDepth: 4 }),
);

/** Values a schema allows, and beside them some it does not. */
function valueOf(document: Json, schema: Json): fc.Arbitrary<unknown> {
  if (schema['$ref']) {
    return valueOf(document, document['components'].schemas[schema['$ref'].split('/').at(-1)]);
  }
  if (schema['properties']) {
    const fields = Object.entries<Json>(schema['properties']).map(([name, field]): [string, fc.Arbitrary<unknown>] => [
      name,
      fc.oneof({ weight: 8, arbitrary: valueOf(document, field) }, { weight: 1, arbitrary: HOSTILE_VALUE }),
    ]);
    const known = fc.record(Object.fromEntries(fields), { requiredKeys: schema['required'] ?? [] });
    const partial = fc.record(Object.fromEntries(fields), { requiredKeys: [] });
    const extended = fc
      .tuple(
        known,
        fc.dictionary(fc.oneof(HOSTILE_TEXT, fc.constantFrom('__proto__', 'constructor', 'role')), HOSTILE_VALUE),
      )
      .map(([object, more]) => ({ ...more, ...object }));
    return fc.oneof(
      { weight: 6, arbitrary: known },
      { weight: 1, arbitrary: partial },
      { weight: 1, arbitrary: extended },
    );
  }
  if (schema['enum']) return fc.constantFrom(...(schema['enum'] as unknown[]));
  if (schema['format'] === 'email') return fc.nat(300).map((n) => `fuzz-${n}@example.com`);
  if (schema['format'] === 'password')
    return fc.constantFrom('correct horse battery', 'another long passphrase', 'short');
  return fc.string({
    unit: 'grapheme-ascii',
    minLength: schema['minLength'] ?? 0,
    maxLength: schema['maxLength'] ?? 40,
  });
}

function requestOf(document: Json, operations: readonly Operation[]): fc.Arbitrary<FuzzRequest> {
  return fc.nat(operations.length - 1).chain((operation) => {
    const { schema, mediaType, path } = operations[operation]!;
    const valid = schema ? valueOf(document, schema) : HOSTILE_VALUE;
    const write = mediaType === FORM ? formOf : JSON.stringify;
    const body = fc.oneof(
      { weight: schema ? 12 : 1, arbitrary: valid.map((value) => write(value)) },
      { weight: 1, arbitrary: HOSTILE_TEXT },
      { weight: 1, arbitrary: valid.map((value) => write(value)?.slice(0, -1) ?? '') },
      {
        weight: 1,
        arbitrary: fc.constantFrom('['.repeat(2000), '{"a":'.repeat(500), '{"email":1,"email":2}', '\ufeff{}'),
      },
      { weight: schema ? 1 : 8, arbitrary: fc.constant(null) },
    );
    return fc.record({
      operation: fc.constant(operation),
      id: fc.oneof(fc.uuid(), HOSTILE_TEXT),
      query: fc.oneof(
        { weight: 5, arbitrary: fc.constant('') },
        fc.constantFrom(
          '?limit=2',
          '?limit=0',
          '?limit=1&limit=2',
          '?limit[]=1',
          '?cursor=x',
          '?__proto__[x]=1',
          '?a=%ff',
        ),
        HOSTILE_TEXT.map((text) => `?cursor=${encodeURIComponent(text.toWellFormed())}`),
      ),
      token: fc.oneof(
        {
          weight: path.startsWith('/oauth/') || path.startsWith('/verify/') ? 8 : 1,
          arbitrary: fc.constant('client' as const),
        },
        {
          weight: 7,
          arbitrary: fc.constantFrom<FuzzRequest['token'][]>(
            'none',
            'valid',
            'valid',
            'valid',
            'ended',
            'mangled',
            'hostile',
          ),
        },
      ),
      contentType: fc.oneof(
        { weight: 12, arbitrary: fc.constant<string | null>(mediaType) },
        fc.constantFrom(null, 'text/plain', FORM, JSON_TYPE, 'application/json; charset=utf-16', ';'),
      ),
      body,
      headers: fc.oneof(
        { weight: 6, arbitrary: fc.constant({}) },
        fc.record({ 'sec-fetch-site': fc.constantFrom('same-origin', 'cross-site', 'same-site', 'none', '?') }),
        fc.record({ origin: fc.constantFrom('null', 'https://evil.example', 'http://[', '') }),
        fc.record({
          cookie: fc.constantFrom('refresh_token=x', 'refresh_token=a; refresh_token=b', '=;=', 'refresh_token'),
        }),
        fc.record({ 'x-request-id': fc.constantFrom('ok-1', 'not ok', 'x'.repeat(65)) }),
        fc.record({ 'content-encoding': fc.constantFrom('gzip', 'br', 'identity') }),
      ),
    });
  });
}

/** Somebody to be: signed in, and once signed in. */
async function actor(api: Api) {
  const account = await api.signUp();
  const ended = await api.signIn(account.credentials);
  await api.logout(ended.refreshToken);
  return { account, ended };
}

type Actor = Awaited<ReturnType<typeof actor>>;

function authorizationOf({ token }: FuzzRequest, { account, ended }: Actor, client: string): string | null {
  return {
    none: null,
    valid: `Bearer ${account.accessToken}`,
    ended: `Bearer ${ended.accessToken}`,
    mangled: `Bearer ${account.accessToken.slice(0, -3)}abc`,
    hostile: 'Bearer eyJhbGciOiJub25lIn0.e30.',
    client,
  }[token];
}

/** The schema of an operation's body, and how it is written. */
function bodyOf({ requestBody }: Json): Pick<Operation, 'schema' | 'mediaType'> {
  const [[mediaType, { schema }] = [JSON_TYPE, { schema: null }]] = Object.entries<Json>(requestBody?.content ?? {});
  return { schema: schema ?? null, mediaType };
}

/** A value as the fields of a form. */
const formOf = (value: unknown): string =>
  new URLSearchParams(
    Object.entries(Object(value)).map(([name, field]): [string, string] => [
      name.toWellFormed(),
      (typeof field === 'string' ? field : (JSON.stringify(field) ?? '')).toWellFormed(),
    ]),
  ).toString();

class Fuzzer {
  readonly statuses = new Map<number, number>();
  private readonly ajv = new Ajv2020({ strict: false });
  private readonly operations: Operation[];

  constructor(
    private readonly api: Api,
    private readonly document: Json,
    /** The credentials of a service client. */
    private readonly client: string,
  ) {
    addFormats.default(this.ajv);
    this.ajv.addSchema(document, 'openapi');
    this.operations = Object.entries<Json>(document['paths']).flatMap(([path, methods]) =>
      Object.entries<Json>(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        ...bodyOf(operation),
        responses: Object.fromEntries(
          Object.entries<Json>(operation['responses']).map(([status, response]) => [status, this.shared(response)]),
        ),
      })),
    );
  }

  /** A response of the document, also where it is one that many operations share. */
  private shared(response: Json): Json {
    const name: string | undefined = response['$ref']?.split('/').at(-1);
    return name === undefined ? response : this.document['components'].responses[name];
  }

  sample(seed: number): FuzzRequest[] {
    return fc.sample(requestOf(this.document, this.operations), { seed, numRuns: BATCH });
  }

  /** Sends one, and says what is wrong with its answer; null if nothing is. */
  async send(request: FuzzRequest, who: Actor): Promise<string | null> {
    const operation = this.operations[request.operation]!;
    const path = operation.path.replace('{id}', encodeURIComponent(request.id.toWellFormed()));
    const authorization = authorizationOf(request, who, this.client);
    const response = await fetch(`${this.api.url}${path}${request.query}`, {
      method: operation.method,
      headers: {
        ...(request.contentType !== null && { 'content-type': request.contentType }),
        ...(authorization !== null && { authorization }),
        ...request.headers,
      },
      ...(operation.method !== 'GET' && request.body !== null && { body: new TextEncoder().encode(request.body) }),
    });
    const text = await (isStream(response) ? firstOf(response) : response.text()).catch(() => null);
    if (text === null) {
      // An export ends with its session, which another request of the group may have ended.
      const bearer = authorization?.replace('Bearer ', '');
      const hasEnded = bearer !== undefined && (await this.api.me(bearer)).status === 401;
      return hasEnded ? null : `an answer of ${response.status} that broke off`;
    }
    ledger.note(`${operation.method} ${path}`, null, response.status, text);
    this.statuses.set(response.status, (this.statuses.get(response.status) ?? 0) + 1);
    return this.findFault(operation, response, text);
  }

  private findFault({ responses }: Operation, { status, headers }: Response, text: string): string | null {
    if (status >= 500) return `an answer of ${status}: ${text}`;
    if (!responses[status] && !ANYWHERE.has(status)) return `an undocumented status ${status}: ${text}`;
    // Nothing may be stored but what the document says may be.
    const mayBeStored = responses[status]?.headers?.['Cache-Control']?.schema.example ?? 'no-store';
    if (!headers.get('cache-control')?.includes(mayBeStored)) return 'an answer that may be stored';
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(headers.get('x-request-id') ?? '')) return 'an answer without X-Request-Id';

    const described: Json = (responses[status] ?? responses['default'])['content'] ?? {};
    const [type] = (headers.get('content-type') ?? '').split(';');
    if (text === '') return Object.keys(described).length > 0 ? `an empty answer of ${status}` : null;
    const schema = described[type ?? '']?.schema;
    if (!schema) return `an answer of ${status} in ${type}`;
    if (type === STREAM) return text.startsWith('\n') ? null : `a stream that begins with ${text}`;
    if (type !== JSON_TYPE && !type?.endsWith('+json')) return null;
    const isValid = this.ajv.validate({ $ref: `openapi${schema['$ref']}` }, JSON.parse(text));
    return isValid ? null : `an answer of ${status} that is not as described: ${this.ajv.errorsText()}: ${text}`;
  }
}

const STREAM = 'text/event-stream';
const isStream = ({ headers }: Response): boolean => headers.get('content-type') === STREAM;

/** The beginning of an answer that has no end. */
async function firstOf(response: Response): Promise<string> {
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return new TextDecoder().decode(value);
}

async function fuzz(api: Api, client: string): Promise<number> {
  const fuzzer = new Fuzzer(api, (await api.call<Json>('GET', '/docs-json')).body, client);
  const until = Date.now() + SECONDS * 1000;
  let sent = 0;
  for (let seed = SEED; Date.now() < until; seed++) {
    let who = await actor(api);
    const requests = fuzzer.sample(seed);
    for (let i = 0; i < requests.length && Date.now() < until; i += TOGETHER) {
      // Requests end sessions; a few with the same somebody, and then the next.
      if (i % ACTOR_LASTS === 0) who = await actor(api);
      const group = requests.slice(i, i + TOGETHER);
      const faults = await Promise.all(group.map((request) => fuzzer.send(request, who)));
      sent += group.length;
      const found = faults.findIndex((fault) => fault !== null);
      if (found >= 0) {
        console.log(`FUZZ_SEED=${seed} found ${faults[found]}\nfor ${JSON.stringify(group[found], null, 2)}`);
        return 1;
      }
    }
  }
  const counts = [...fuzzer.statuses].toSorted(([x], [y]) => x - y).map(([status, count]) => `${status}: ${count}`);
  console.log(
    `FUZZ_SEED=${SEED}: ${sent} requests in ${SECONDS} s, every answer as the document says. ${counts.join(', ')}`,
  );
  return 0;
}

const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-fuzz-'));
const database = await startEmbeddedPostgres({ dataDir, isDurable: false });
const pool = new Pool({ connectionString: database.url });
let exitCode = 1;
try {
  const instance = await startInstance({
    env: { DATABASE_URL: database.url, MAX_SESSIONS_PER_USER: '100', PASSWORD_HASH_QUEUE: '1000' },
  });
  const store = { query: async (sql: string, values?: unknown[]) => (await pool.query(sql, values)).rows };
  const staff = await signUpStaff(instance.api, store);
  const client = await addClient(instance.api, staff, 'introspect', 'revoke', 'verify');
  exitCode = await fuzz(instance.api, basic(client));
  await expectInvariants(store, { api: instance.api });
  await instance.kill('SIGTERM');
} finally {
  await pool.end();
  await database.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
process.exit(exitCode);
