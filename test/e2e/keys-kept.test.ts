import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { KeyCipher } from '../../src/keys/key-cipher.js';
import { generateKey, readKey, type SigningAlgorithm, writeKey } from '../../src/keys/signing-key.js';
import type { Api } from '../support/api.js';
import { addClient, basic, signUpStaff } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { claimsOf, resign, signed, signingKeyOf } from '../support/forge.js';
import { type Instance, startInstance } from '../support/instance.js';
import { publishedBy, publishRs256, rotateKeys, Verifier } from '../support/keys.js';
import { TestReceiver } from '../support/receiver.js';
import { SECRETS } from '../support/secrets.js';
import { expectInvariants } from '../support/invariants.js';
import { until } from '../support/until.js';

// How signing keys are made, kept and published.
let database: TestDatabase;
let proxy: DatabaseProxy;
const running: Instance[] = [];
const secret = () => randomBytes(32).toString('base64url');

beforeEach(async () => {
  database = await createDatabase();
  proxy = await startDatabaseProxy(database.url);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((instance) => instance.kill('SIGTERM')));
  proxy.stop();
  await expectInvariants(database, { hasFaults: true, hasMissingRows: true });
  await database.drop();
});

async function start(env: Record<string, string> = {}): Promise<Instance> {
  const instance = await startInstance({ env: { DATABASE_URL: database.url, LOG_LEVEL: 'info', ...env } });
  running.push(instance);
  return instance;
}

const stop = async (instance: Instance) => {
  running.splice(running.indexOf(instance), 1);
  await instance.kill('SIGTERM');
};

const rowsOf = () =>
  database.query<{ id: string; algorithm: SigningAlgorithm; encrypted_key: Buffer }>(
    'SELECT * FROM signing_keys ORDER BY algorithm, signs_from',
  );
const jwksOf = (api: Api, headers: Record<string, string> = {}) =>
  api.call('GET', '/.well-known/jwks.json', { headers });

it('Instances that start together for the first time make one key of ES256 and none of RS256, and a restart keeps it', async () => {
  // None can write before all of them have read that there is no key, or wait for the one that has.
  const holder = new Client({ connectionString: database.adminUrl });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE signing_keys IN EXCLUSIVE MODE');
  const patient = { DATABASE_STATEMENT_TIMEOUT_MS: '60000' };
  const starting = Promise.all([start(patient), start(patient), start(patient)]);
  await until('all three wait', async () => {
    const waiting = await database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return waiting.length === 3;
  });
  await holder.end();
  const instances = await starting;
  const keys = await rowsOf();
  expect(keys.map(({ algorithm }) => algorithm)).toEqual(['ES256']);
  for (const { api } of instances) expect(await publishedBy(api)).toEqual([keys[0]!.id]);
  const trail = await database.query(`SELECT reason FROM audit_events WHERE type = 'signing_key_rotated'`);
  expect(trail).toEqual([{ reason: 'first' }]);

  const { accessToken } = await instances[0].api.signUp();
  for (const instance of instances) await stop(instance);
  const { api } = await start();
  expect((await api.me(accessToken)).status).toBe(200);
  expect(await rowsOf()).toEqual(keys);
}, 60_000);

it('The published key set has exactly the members of the contract, may be cached and be read by any page', async () => {
  const { api } = await start({ CORS_ORIGINS: 'https://app.example.com' });
  const ec = await signingKeyOf(database);
  expect((await jwksOf(api)).body).toEqual({ keys: [{ ...ec.jwk, kid: ec.id, use: 'sig', alg: 'ES256' }] });
  await publishRs256(api, database);
  const rsa = await signingKeyOf(database, { algorithm: 'RS256' });
  const keys = [
    { ...ec.jwk, kid: ec.id, use: 'sig', alg: 'ES256' },
    { ...rsa.jwk, kid: rsa.id, use: 'sig', alg: 'RS256' },
  ];
  expect(keys.map((key) => Object.keys(key).toSorted().join())).toEqual([
    'alg,crv,kid,kty,use,x,y',
    'alg,e,kid,kty,n,use',
  ]);
  for (const origin of ['https://app.example.com', 'https://other.example', undefined]) {
    const { status, headers, body } = await jwksOf(api, origin === undefined ? {} : { origin });
    expect([status, body]).toEqual([200, { keys }]);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('access-control-allow-credentials')).toBeNull();
    expect(headers.get('cross-origin-resource-policy')).toBe('cross-origin');
  }
  const { accessToken } = await api.signUp();
  expect(await new Verifier(api).accepts(accessToken)).toBe(true);
  expect((await api.call('POST', '/.well-known/jwks.json')).status).toBe(405);
});

it('Nothing in the database signs: the private key is encrypted, and another row, id or secret does not open it', async () => {
  const { api } = await start();
  const login = await api.signUp();
  await publishRs256(api, database);
  const [row] = await rowsOf();
  const { privateKey, id } = await signingKeyOf(database);
  const rsa = await signingKeyOf(database, { algorithm: 'RS256' });
  const stored = JSON.stringify(await database.query('SELECT s::text FROM signing_keys s'));
  for (const key of [privateKey, rsa.privateKey]) {
    for (const secretPart of ['d', 'p', 'q'] as const) {
      const { [secretPart]: value } = key.export({ format: 'jwk' });
      if (value !== undefined) expect(stored).not.toContain(Buffer.from(value, 'base64url').toString('hex'));
    }
  }
  for (const { encrypted_key: encrypted } of await rowsOf()) expect(() => readKey(encrypted)).toThrow();

  const decrypt = (name: string, encrypted: Buffer, ...secrets: string[]) =>
    new KeyCipher(secrets).decrypt(name, encrypted);
  expect(decrypt(id, row!.encrypted_key, SECRETS.JWT_SECRET)).not.toBeNull();
  expect(decrypt(id, row!.encrypted_key, secret(), SECRETS.REFRESH_TOKEN_SECRET)).toBeNull();
  expect(decrypt('another id', row!.encrypted_key, SECRETS.JWT_SECRET)).toBeNull();
  for (let at = 0; at < row!.encrypted_key.length; at += 7) {
    const changed = Buffer.from(row!.encrypted_key);
    changed[at]! ^= 1;
    expect(decrypt(id, changed, SECRETS.JWT_SECRET)).toBeNull();
  }
  expect(decrypt(id, Buffer.alloc(0), SECRETS.JWT_SECRET)).toBeNull();

  // Who writes to the database, and does not have the secret, adds no key.
  const foreign = generateKey();
  for (const encrypted of [writeKey(foreign), new KeyCipher([secret()]).encrypt(foreign.id, writeKey(foreign))]) {
    await database.query('DELETE FROM signing_keys WHERE id = $1', [foreign.id]);
    await database.query('INSERT INTO signing_keys VALUES ($1, $2, now(), now())', [foreign.id, encrypted]);
    expect(await publishedBy(api)).toEqual([id]);
    expect((await api.me(resign(login, foreign))).status).toBe(401);
    expect((await api.me((await api.refresh(login.refreshToken)).body.accessToken)).status).toBe(200);
  }
});

it('A key that an instance with the former order of secrets makes is encrypted with the first secret of the others soon', async () => {
  const [old, next] = [SECRETS.JWT_SECRET, secret()];
  const late = await start({ JWT_SECRET: `${old},${next}` });
  const early = await start({ JWT_SECRET: `${next},${old}` });
  // This one is made by the command with the settings of the former one, after that start.
  const { code } = await rotateKeys(database.url, { env: { JWT_SECRET: `${old},${next}` } });
  expect(code).toBe(0);
  await stop(late);
  const isDecryptedBy = (jwtSecret: string) => (row: { id: string; encrypted_key: Buffer }) =>
    new KeyCipher([jwtSecret]).decrypt(row.id, row.encrypted_key) !== null;
  expect((await rowsOf()).filter(isDecryptedBy(old))).not.toEqual([]);
  // Both instances look once a minute, and when they are notified.
  await database.query(`SELECT pg_notify('latchkey_keys', '[]')`);
  await until('the next secret alone opens all', async () => (await rowsOf()).every(isDecryptedBy(next)), 30);
  const login = await early.api.signUp();
  await stop(early);
  const { api } = await start({ JWT_SECRET: next });
  expect((await api.me(login.accessToken)).status).toBe(200);
}, 60_000);

it('A new JWT_SECRET alone makes a new key and says so: no access token from before is accepted, and nobody is logged out', async () => {
  const before = await start();
  const login = await before.api.signUp();
  const former = await signingKeyOf(database);
  await stop(before);

  const JWT_SECRET = secret();
  const after = await start({ JWT_SECRET });
  const { api } = after;
  expect(after.output()).toMatch(/Made the signing key .*JWT_SECRET opens none of those there are/);
  expect(await publishedBy(api)).not.toContain(former.id);
  for (const token of [login.accessToken, resign(login, former)]) {
    expect(await api.me(token)).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
  }
  const { status, body } = await api.refresh(login.refreshToken);
  expect([status, body.session.id, (await api.me(body.accessToken)).status]).toEqual([200, login.session.id, 200]);

  // A command with another secret than the service's does nothing where the service could not use it.
  const { code, output: said } = await rotateKeys(database.url, { env: { JWT_SECRET: secret() } });
  expect([code, said]).toEqual([1, expect.stringContaining('opens no signing key')]);
  expect((await api.me(body.accessToken)).status).toBe(200);
}, 60_000);

it('An instance whose keys were all revoked elsewhere makes one that it can use', async () => {
  const { api } = await start();
  const login = await api.signUp();
  const { code } = await rotateKeys(database.url, { args: ['--leaked'], env: { JWT_SECRET: secret() } });
  expect(code).toBe(0);
  expect((await api.me(login.accessToken)).status).toBe(401);
  const { body } = await api.refresh(login.refreshToken);
  expect((await api.me(body.accessToken)).status).toBe(200);
}, 60_000);

it('A key of RS256 is made once a receiver needs it, one however many do, and is published before the receiver is there', async () => {
  const instances = [await start(), await start()];
  const before = await rowsOf();
  const staff = await signUpStaff(instances[0]!.api, database);
  const add = ({ api }: Instance, others: object) =>
    api.call('POST', '/admin/receivers', {
      bearer: staff.accessToken,
      body: { url: 'https://relying.example.com/', kind: 'webhook', events: ['session.expired'], ...others },
    });
  for (const others of [{}, { kind: 'backchannel_logout' }, { kind: 'webhook', algorithm: 'RS256' }]) {
    await add(instances[0]!, others);
    expect(await rowsOf()).toEqual(before);
  }
  const added = await Promise.all([...instances, ...instances].map((instance) => add(instance, { kind: 'ssf_push' })));
  expect(added.map(({ status, body }) => [status, body.algorithm])).toEqual(added.map(() => [201, 'RS256']));
  const [made, ...others] = await publishedBy(instances[1]!.api, 'RS256');
  expect([made, others]).toEqual([expect.any(String), []]);
  for (const instance of instances) await stop(instance);
  const { api } = await start();
  expect([await publishedBy(api), await publishedBy(api, 'RS256')]).toEqual([[before[0]!.id], [made]]);
}, 60_000);

it('Rotating and replacing keys makes none of RS256 where there was none, and one in the place of each where there was', async () => {
  const { api } = await start();
  const accepted = async () => [(await publishedBy(api)).length, (await publishedBy(api, 'RS256')).length];
  expect((await rotateKeys(database.url)).code).toBe(0);
  expect(await accepted()).toEqual([2, 0]);
  expect((await rotateKeys(database.url, { args: ['--leaked'] })).code).toBe(0);
  expect(await accepted()).toEqual([1, 0]);
  await publishRs256(api, database);
  expect((await rotateKeys(database.url, { args: ['--leaked'] })).code).toBe(0);
  expect(await accepted()).toEqual([1, 1]);
}, 60_000);

it('Where a release that knows ES256 alone rotates its key, and ends that of RS256 with it, the next one of RS256 is published ahead', async () => {
  const { api } = await start();
  await publishRs256(api, database);
  const former = await signingKeyOf(database, { algorithm: 'RS256' });
  const next = generateKey();
  // What it sends.
  await database.query(
    `WITH made AS (INSERT INTO signing_keys (id, encrypted_key, signs_from) VALUES ($1, $2, now() + interval '20 minutes')),
       succeeded AS (UPDATE signing_keys SET accepted_until = now() + interval '50 minutes' WHERE accepted_until IS NULL)
     SELECT pg_notify('latchkey_keys', '[]')`,
    [next.id, new KeyCipher([SECRETS.JWT_SECRET]).encrypt(next.id, writeKey(next))],
  );
  await until('it has a successor', async () => (await publishedBy(api, 'RS256')).length === 2);
  const [row] = await database.query<{ minutes: number; accepted_until: Date | null }>(
    `SELECT (extract(epoch FROM signs_from - now()) / 60)::double precision AS minutes, accepted_until FROM signing_keys
     WHERE algorithm = 'RS256' AND id <> $1`,
    [former.id],
  );
  expect(row!.minutes).toBeGreaterThan(15);
  expect(row!.accepted_until).toBeNull();
  expect(await publishedBy(api)).toHaveLength(2);
}, 60_000);

it('While the database does not answer the known keys stay published, and a token of an unknown key is neither accepted nor refused', async () => {
  const { api } = await start({ DATABASE_URL: proxy.url, SESSION_CHECK_TIMEOUT_MS: '300' });
  const login = await api.signUp();
  const before = await jwksOf(api);
  proxy.hold();
  const unknown = signed(claimsOf(login.accessToken), await signingKeyOf(database), { kid: 'A'.repeat(43) });
  for (const token of [unknown, login.accessToken]) {
    const answer = await api.me(token);
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'service_unavailable',
      '1',
    ]);
  }
  expect((await jwksOf(api)).body).toEqual(before.body);
  proxy.release();
  expect((await api.me(unknown)).status).toBe(401);
  expect((await api.me(login.accessToken)).status).toBe(200);
}, 60_000);

it('An instance starts with the key that there is where the table takes no writes, and encrypts it anew once it does', async () => {
  const before = await start();
  const login = await before.api.signUp();
  await stop(before);
  const rows = await rowsOf();
  await database.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE EXCEPTION 'no writes now' USING ERRCODE = 'read_only_sql_transaction'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON signing_keys EXECUTE FUNCTION refuse()`);
  const next = secret();
  const after = await start({ JWT_SECRET: `${next},${SECRETS.JWT_SECRET}` });
  const { api } = after;
  expect(after.output()).toMatch(/Cannot read or make signing keys.*no writes now/);
  expect(await publishedBy(api)).toEqual([rows[0]!.id]);
  expect((await api.me(login.accessToken)).status).toBe(200);
  expect(await rowsOf()).toEqual(rows);

  await database.query(`DROP FUNCTION refuse CASCADE`);
  await database.query(`SELECT pg_notify('latchkey_keys', '[]')`);
  await until('they are encrypted with the next secret', async () => {
    const now = await rowsOf();
    return now.every(({ id, encrypted_key: encrypted }) => new KeyCipher([next]).decrypt(id, encrypted) !== null);
  });
}, 60_000);

describe('JWT_ALGORITHM=HS256', () => {
  it('Under HS256 the secret signs, nothing is published, no key is made, and no token of ES256 is accepted', async () => {
    const es256 = await start();
    const login = await es256.api.signUp();
    const key = await signingKeyOf(database);
    const { api } = await start({ JWT_ALGORITHM: 'HS256' });

    expect((await jwksOf(api)).body).toEqual({ keys: [] });
    const { body } = await api.refresh(login.refreshToken);
    const header = JSON.parse(Buffer.from(body.accessToken.split('.')[0]!, 'base64url').toString());
    expect(header).toEqual({ alg: 'HS256', typ: 'at+jwt' });
    expect(body.accessToken).toBe(signed(claimsOf(body.accessToken), SECRETS.JWT_SECRET));
    expect((await api.me(body.accessToken)).status).toBe(200);
    expect((await api.me(resign(body, SECRETS.JWT_SECRET))).status).toBe(200);
    for (const token of [
      login.accessToken,
      resign(body, key),
      resign(body, SECRETS.JWT_SECRET, {}, { kid: key.id }),
      resign(body, SECRETS.JWT_SECRET, {}, { alg: 'none' }),
      resign(body, SECRETS.JWT_SECRET, {}, { alg: 'HS512' }),
      resign(body, secret()),
    ]) {
      expect(await api.me(token)).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
    }
    expect(await es256.api.me(body.accessToken)).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
    expect(await rowsOf()).toHaveLength(1);
  }, 60_000);

  it('Under HS256 the command that rotates keys says that there are none, and what to replace', async () => {
    expect(await rotateKeys(database.url, { env: { JWT_ALGORITHM: 'HS256' } })).toEqual({
      code: 1,
      output: expect.stringContaining('JWT_SECRET'),
    });
    expect(await rotateKeys(database.url, { args: ['--leaky'] })).toEqual({
      code: 2,
      output: expect.stringContaining('npm run keys:rotate -- --leaked'),
    });
    expect(await rowsOf()).toEqual([]);
  });

  it('Under HS256 no stream is created, nothing is signed for a receiver that was there, staff see why, and no key is made', async () => {
    const before = await start();
    const [account, receiver] = [await signUpStaff(before.api, database), await TestReceiver.open()];
    const partner = await addClient(before.api, account, 'signals');
    const asPartner = { headers: { authorization: basic(partner) } };
    const streams = [
      { delivery: { method: 'urn:ietf:rfc:8936' } },
      { delivery: { method: 'urn:ietf:rfc:8935', endpoint_url: receiver.url } },
    ];
    const made = await Promise.all(
      streams.map((body) => before.api.call('POST', '/ssf/streams', { ...asPartner, body })),
    );
    const [polledId, pushedId] = made.map(({ body }) => body.stream_id);
    await stop(before);
    await database.query('DELETE FROM signing_keys');

    const after = await start({ JWT_ALGORITHM: 'HS256' });
    const refused = await after.api.call('POST', '/ssf/streams', { ...asPartner, body: streams[0] });
    expect([refused.status, refused.body.code]).toEqual([404, 'no_shared_signals']);
    for (const stream_id of [polledId, pushedId]) {
      expect((await after.api.call('POST', '/ssf/verify', { ...asPartner, body: { stream_id } })).status).toBe(204);
    }
    const poll = await after.api.call('POST', `/ssf/streams/${polledId}/poll`, {
      ...asPartner,
      body: { returnImmediately: true },
    });
    expect([poll.status, poll.headers.get('retry-after')]).toEqual([503, '1']);
    const bearer = (await after.api.refresh(account.refreshToken)).body.accessToken;
    await until('staff see why', async () => {
      const { body } = await after.api.call('GET', `/admin/receivers/${pushedId}/deliveries`, { bearer });
      return /JWT_ALGORITHM is HS256/.test(body.items[0].answer);
    });
    expect(receiver.received).toEqual([]);
    expect(await rowsOf()).toEqual([]);
    await receiver.stop();
  }, 60_000);
});
