import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import type { Api, AuthResult } from '../support/api.js';
import { addClient, basic, signUpStaff, type TestClient } from '../support/clients.js';
import { signingKeyOf } from '../support/forge.js';
import { useInstances } from '../support/instances.js';
import { publishedBy, rotateKeys } from '../support/keys.js';
import { TestReceiver } from '../support/receiver.js';
import { SECRETS } from '../support/secrets.js';
import { ageKeys } from '../support/time.js';
import { until } from '../support/until.js';

// What receivers are sent is signed by the algorithm that each takes, and verified by the published keys, whatever becomes of them.
const t = useInstances(2);
const [PUSH, POLL] = ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'];
const TEN_MINUTES_MS = 600_000;
const STEP_MINUTES = 5;

const receivers: TestReceiver[] = [];
let staff: AuthResult;
let client: TestClient;
let movedMs = 0;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  client = await addClient(t.a, staff, 'signals');
  const now = Date.now;
  jest.spyOn(Date, 'now').mockImplementation(() => now() + movedMs);
});

afterAll(async () => {
  jest.restoreAllMocks();
  await Promise.all(receivers.map((receiver) => receiver.stop()));
});

async function openReceiver(): Promise<TestReceiver> {
  const receiver = await TestReceiver.open();
  receivers.push(receiver);
  return receiver;
}

const admin = (method: string, path: string, body?: unknown) =>
  t.b.call(method, `/admin/receivers${path}`, { bearer: staff.accessToken, ...(body !== undefined && { body }) });
const ssf = (method: string, path: string, body?: unknown) =>
  t.a.call(method, `/ssf/${path}`, { headers: { authorization: basic(client) }, ...(body !== undefined && { body }) });

/** A relying party, which takes one algorithm alone, and asks for the published keys every ten minutes at most. */
class RelyingParty {
  private readonly keys;

  constructor(
    { url }: Api,
    private readonly algorithm: string,
  ) {
    this.keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', url), {
      cacheMaxAge: TEN_MINUTES_MS,
      cooldownDuration: TEN_MINUTES_MS,
    });
  }

  /** The id of the key that signed a token. Throws where the token is not valid. */
  async verify(token: string): Promise<string> {
    const { protectedHeader } = await jwtVerify(token, this.keys, {
      algorithms: [this.algorithm],
      issuer: 'http://localhost:3000',
      requiredClaims: ['aud', 'iat', 'jti', 'events'],
    });
    return protectedHeader.kid!;
  }
}

/** So many minutes pass for keys and relying parties. Both instances have looked since. */
async function pass(minutes: number): Promise<void> {
  await ageKeys(t.database, `${minutes} minutes`);
  movedMs += minutes * 60_000;
  await Promise.all([publishedBy(t.a), publishedBy(t.b)]);
  await refreshStaff();
}

/** Their access token is signed with the key that signs now. */
async function refreshStaff(): Promise<void> {
  staff = { ...staff, ...(await t.a.refresh(staff.refreshToken)).body };
}

const tokenIn = (body: string): string => new URLSearchParams(body).get('logout_token') ?? body;

/** What a receiver is sent next, once something was done. */
async function sentTo(receiver: TestReceiver, act: () => Promise<unknown>): Promise<string> {
  const before = receiver.received.length;
  await act();
  const sent = await until('something is sent', () => receiver.received[before]);
  return tokenIn(sent.body);
}

async function logOutOne(): Promise<void> {
  const { refreshToken } = await t.a.signUp();
  await t.b.logout(refreshToken);
}

async function addRelyingParty(receiver: TestReceiver, changes: Record<string, unknown> = {}) {
  const { status, body } = await admin('POST', '', {
    url: receiver.url,
    kind: 'backchannel_logout',
    events: ['session.revoked'],
    ...changes,
  });
  expect(status).toBe(201);
  return body;
}

async function createStream(changes: Record<string, unknown>) {
  const { status, body } = await ssf('POST', 'streams', changes);
  expect(status).toBe(201);
  return body;
}

const pushedTo = (receiver: TestReceiver) => ({ delivery: { method: PUSH, endpoint_url: receiver.url } });
/** A stream is asked for one a second at most. */
const verify = (id: string) =>
  until('it is not too soon', async () => (await ssf('POST', 'verify', { stream_id: id })).status !== 429);

/** The one token that a stream has when it is polled, after which it has none. */
async function polled(id: string): Promise<string> {
  await verify(id);
  const { body } = await ssf('POST', `streams/${id}/poll`, { returnImmediately: true });
  const [[jti, token]] = Object.entries<string>(body.sets) as [[string, string]];
  await ssf('POST', `streams/${id}/poll`, { returnImmediately: true, ack: [jti], maxEvents: 0 });
  return token;
}

const remove = async (...ids: string[]) => {
  for (const id of ids) expect((await admin('DELETE', `/${id}`)).status).toBe(204);
};

describe('back-channel logout', () => {
  it('A relying party that takes RS256 alone verifies its logout tokens, and one that says nothing gets ES256', async () => {
    const [rsaReceiver, ecReceiver] = [await openReceiver(), await openReceiver()];
    const [rsa, ec] = [await addRelyingParty(rsaReceiver, { algorithm: 'RS256' }), await addRelyingParty(ecReceiver)];
    expect([rsa.algorithm, ec.algorithm]).toEqual(['RS256', 'ES256']);
    expect([rsa.secret, ec.secret]).toEqual([null, null]);
    const sent = Promise.all([rsaReceiver, ecReceiver].map((receiver) => sentTo(receiver, () => Promise.resolve())));
    await logOutOne();
    const [byRsa, byEc] = await sent;
    expect(await new RelyingParty(t.a, 'RS256').verify(byRsa!)).toBe(
      (await signingKeyOf(t.database, { algorithm: 'RS256' })).id,
    );
    expect(await new RelyingParty(t.b, 'ES256').verify(byEc!)).toBe((await signingKeyOf(t.database)).id);
    await expect(new RelyingParty(t.a, 'RS256').verify(byEc!)).rejects.toThrow('"alg"');
    expect(decodeProtectedHeader(byRsa!)).toEqual({ alg: 'RS256', typ: 'logout+jwt', kid: expect.any(String) });
    // It is no access token, and neither is one of RS256.
    for (const token of [byRsa!, byEc!]) expect((await t.a.me(token)).status).toBe(401);
    await remove(rsa.id, ec.id);
  });

  it('What a relying party did not take is signed by the algorithm that it is given meanwhile', async () => {
    const receiver = await openReceiver();
    const { id } = await addRelyingParty(receiver);
    // It takes RS256 alone.
    receiver.answer = ({ body }, response) =>
      response.writeHead(decodeProtectedHeader(tokenIn(body)).alg === 'RS256' ? 204 : 400).end();
    await logOutOne();
    await until('it was refused', async () => (await admin('GET', `/${id}`)).body.failingSince !== null);
    const changed = await admin('PATCH', `/${id}`, { algorithm: 'RS256' });
    expect([changed.status, changed.body.algorithm]).toEqual([200, 'RS256']);
    await until(
      'it is taken',
      async () => {
        const { body } = await admin('GET', `/${id}/deliveries`);
        return body.items[0].state === 'delivered';
      },
      30,
    );
    // What is left out stays.
    expect((await admin('PATCH', `/${id}`, { audience: 'billing' })).body.algorithm).toBe('RS256');
    await remove(id);
  });

  it('No other algorithm is taken, and none for a webhook, which has a secret', async () => {
    const webhook = { url: 'http://127.0.0.1:1/', kind: 'webhook', events: ['session.revoked'] };
    const logout = { ...webhook, kind: 'backchannel_logout' };
    const { body } = await admin('POST', '', webhook);
    expect(body.algorithm).toBeNull();
    for (const [path, request] of [
      ['', { ...webhook, algorithm: 'RS256' }],
      ['', { ...webhook, algorithm: 'ES256' }],
      ['', { ...logout, algorithm: 'HS256' }],
      ['', { ...logout, algorithm: 'none' }],
      ['', { ...logout, algorithm: null }],
      [`/${body.id}`, { algorithm: 'RS256' }],
    ] as const) {
      const answer = await admin(path === '' ? 'POST' : 'PATCH', path, request);
      expect([request, answer.status, answer.body.code, answer.body.errors[0].field]).toEqual([
        request,
        400,
        'validation_failed',
        'algorithm',
      ]);
    }
    await remove(body.id);
  });

  it('A receiver is added with its algorithm from the shell', async () => {
    const add = (...options: string[]) =>
      promisify(execFile)(
        process.execPath,
        ['dist/signals/receivers/receiver-add.js', 'http://127.0.0.1:1/', '--event', 'session.revoked', ...options],
        { env: { PATH: process.env['PATH'], ...SECRETS, DATABASE_URL: t.database.url } },
      );
    const { stdout } = await add('--kind', 'backchannel_logout', '--algorithm', 'RS256');
    const id = /id: (.*)/.exec(stdout)![1]!;
    expect((await admin('GET', `/${id}`)).body).toMatchObject({ kind: 'backchannel_logout', algorithm: 'RS256' });
    await expect(add('--kind', 'backchannel_logout', '--algorithm', 'RS512')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('algorithm must be ES256 or RS256'),
    });
    await expect(add('--algorithm', 'RS256')).rejects.toMatchObject({ code: 1 });
    await remove(id);
  });
});

describe('streams', () => {
  it('The metadata says which algorithms there are, the one that is used unless another is asked for first', async () => {
    const { body } = await t.a.call('GET', '/.well-known/ssf-configuration');
    expect(body.signing_alg_values_supported).toEqual(['RS256', 'ES256']);
  });

  it('A stream is signed with RS256 unless it is asked for otherwise, pushed and polled', async () => {
    const receiver = await openReceiver();
    const pushed = await createStream(pushedTo(receiver));
    const waiting = await createStream({ delivery: { method: POLL } });
    const byStaff = await admin('POST', '', { url: receiver.url, kind: 'ssf_push', events: ['session.revoked'] });
    expect([pushed.signing_alg, waiting.signing_alg, byStaff.body.algorithm]).toEqual(['RS256', 'RS256', 'RS256']);
    await remove(byStaff.body.id);
    const party = new RelyingParty(t.a, 'RS256');
    const tokens = [await sentTo(receiver, () => verify(pushed.stream_id)), await polled(waiting.stream_id)];
    for (const token of tokens) {
      expect(await party.verify(token)).toBe((await signingKeyOf(t.database, { algorithm: 'RS256' })).id);
      expect(decodeProtectedHeader(token)).toEqual({ alg: 'RS256', typ: 'secevent+jwt', kid: expect.any(String) });
      expect((await t.a.me(token)).status).toBe(401);
      expect((await t.a.call('GET', '/ssf/streams', { bearer: token })).status).toBe(401);
    }
    await remove(pushed.stream_id, waiting.stream_id);
  });

  it('A stream is signed as its client asks, and as staff say', async () => {
    const receiver = await openReceiver();
    const { stream_id: id, ...stream } = await createStream({ ...pushedTo(receiver), signing_alg: 'ES256' });
    const signed = async () => decodeProtectedHeader(await sentTo(receiver, () => verify(id))).alg;
    expect([stream.signing_alg, await signed()]).toEqual(['ES256', 'ES256']);
    await new RelyingParty(t.b, 'ES256').verify(await sentTo(receiver, () => verify(id)));

    const change = async (method: string, changes: Record<string, unknown>) =>
      (await ssf(method, 'streams', { stream_id: id, ...changes })).body.signing_alg;
    expect(await change('PATCH', { description: 'of a partner' })).toBe('ES256');
    expect([await change('PATCH', { signing_alg: 'RS256' }), await signed()]).toEqual(['RS256', 'RS256']);
    expect(await change('PUT', { ...pushedTo(receiver), signing_alg: 'ES256' })).toBe('ES256');
    // What is left out there becomes what it is by default.
    expect([await change('PUT', pushedTo(receiver)), await signed()]).toEqual(['RS256', 'RS256']);
    expect((await admin('PATCH', `/${id}`, { algorithm: 'ES256' })).body.algorithm).toBe('ES256');
    expect([(await ssf('GET', `streams?stream_id=${id}`)).body.signing_alg, await signed()]).toEqual([
      'ES256',
      'ES256',
    ]);

    for (const alg of ['PS256', 'HS256', 'none', 7]) {
      const refused = await ssf('PATCH', 'streams', { stream_id: id, signing_alg: alg });
      expect([alg, refused.status, refused.body.errors?.[0].field]).toEqual([alg, 400, 'signing_alg']);
    }
    await remove(id);
  });
});

describe('keys that change', () => {
  it('While keys are rotated, relying parties with a cache of ten minutes verify all that they are sent, under either algorithm', async () => {
    const former = {
      RS256: (await signingKeyOf(t.database, { algorithm: 'RS256' })).id,
      ES256: (await signingKeyOf(t.database)).id,
    };
    const [logoutReceiver, pushReceiver, ecReceiver] = [
      await openReceiver(),
      await openReceiver(),
      await openReceiver(),
    ];
    const logout = await addRelyingParty(logoutReceiver, { algorithm: 'RS256' });
    const push = await createStream(pushedTo(pushReceiver));
    const poll = await createStream({ delivery: { method: POLL } });
    const ec = await createStream({ ...pushedTo(ecReceiver), signing_alg: 'ES256' });
    const parties = [t.a, t.b].map((api) => ({
      RS256: new RelyingParty(api, 'RS256'),
      ES256: new RelyingParty(api, 'ES256'),
    }));
    const kids = { RS256: new Set<string>(), ES256: new Set<string>() };

    /** One token of each, which every relying party verifies. */
    const sendAll = async () => {
      const tokens = {
        RS256: [
          await sentTo(logoutReceiver, logOutOne),
          await sentTo(pushReceiver, () => verify(push.stream_id)),
          await polled(poll.stream_id),
        ],
        ES256: [await sentTo(ecReceiver, () => verify(ec.stream_id))],
      };
      for (const algorithm of ['RS256', 'ES256'] as const) {
        kids[algorithm].clear();
        for (const token of tokens[algorithm]) {
          for (const party of parties) kids[algorithm].add(await party[algorithm].verify(token));
        }
      }
      return { RS256: [...kids.RS256], ES256: [...kids.ES256] };
    };

    expect(await sendAll()).toEqual({ RS256: [former.RS256], ES256: [former.ES256] });
    expect((await rotateKeys(t.database.url)).code).toBe(0);
    // Those that read just before it know the next ones ten minutes later.
    for (let minutes = 0; minutes < 20; minutes += STEP_MINUTES) {
      expect(await sendAll()).toEqual({ RS256: [former.RS256], ES256: [former.ES256] });
      for (const algorithm of ['RS256', 'ES256'] as const) expect(await publishedBy(t.a, algorithm)).toHaveLength(2);
      await pass(STEP_MINUTES);
    }
    for (let minutes = 0; minutes <= 35; minutes += STEP_MINUTES) {
      const next = await sendAll();
      for (const algorithm of ['RS256', 'ES256'] as const) {
        expect(next[algorithm]).toEqual([expect.not.stringContaining(former[algorithm])]);
      }
      await pass(STEP_MINUTES);
    }
    for (const api of [t.a, t.b]) {
      expect(await publishedBy(api, 'RS256')).toEqual([...kids.RS256]);
      expect(await publishedBy(api)).toEqual([...kids.ES256]);
    }
    await remove(logout.id, push.stream_id, poll.stream_id, ec.stream_id);
  }, 120_000);

  it('After the keys leaked, what is sent is signed with new ones at once, also what was signed before and not taken', async () => {
    const receiver = await openReceiver();
    const logout = await addRelyingParty(receiver, { algorithm: 'RS256' });
    const poll = await createStream({ delivery: { method: POLL } });
    const leaked = await signingKeyOf(t.database, { algorithm: 'RS256' });
    let takes = false;
    receiver.answer = (_, response) => response.writeHead(takes ? 204 : 500).end();
    const refused = await sentTo(receiver, logOutOne);
    expect(await new RelyingParty(t.a, 'RS256').verify(refused)).toBe(leaked.id);

    const { code, output } = await rotateKeys(t.database.url, { args: ['--leaked'] });
    expect([code, output.includes(leaked.id)]).toEqual([0, true]);
    await refreshStaff();
    const [next] = await publishedBy(t.b, 'RS256');
    expect(output).toContain(next);
    for (const api of [t.a, t.b]) expect(await publishedBy(api, 'RS256')).toEqual([next]);
    // It may have been tried again while the keys were replaced.
    const before = receiver.received.length;
    takes = true;
    const sent = await until(
      'it is sent again',
      () => receiver.received.length > before && receiver.received.at(-1),
      30,
    );
    for (const token of [tokenIn(sent.body), await polled(poll.stream_id)]) {
      for (const api of [t.a, t.b]) expect(await new RelyingParty(api, 'RS256').verify(token)).toBe(next);
    }
    for (const api of [t.a, t.b]) {
      await expect(new RelyingParty(api, 'RS256').verify(refused)).rejects.toThrow('no applicable key found');
    }
    await remove(logout.id, poll.stream_id);
  }, 60_000);

  it('A key of RS256 whose revocation was not notified signs nothing that is sent right afterwards', async () => {
    const receiver = await openReceiver();
    const { stream_id: id } = await createStream(pushedTo(receiver));
    const leaked = await signingKeyOf(t.database, { algorithm: 'RS256' });
    await t.database.query(`UPDATE signing_keys SET accepted_until = '-infinity' WHERE id = $1`, [leaked.id]);
    const { kid } = decodeProtectedHeader(await sentTo(receiver, () => verify(id)));
    expect(kid).not.toBe(leaked.id);
    for (const api of [t.a, t.b]) expect(await publishedBy(api, 'RS256')).toEqual([kid]);
    await remove(id);
  });
});
