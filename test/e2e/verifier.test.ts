import { randomUUID } from 'node:crypto';
import { generateKey } from '../../src/keys/signing-key.js';
import { createVerifier } from '../../src/verifier/index.js';
import type { Answer, AuthResult } from '../support/api.js';
import { addClient, signUpStaff, type TestClient } from '../support/clients.js';
import { claimsOf, resign, respelt, signed, signingKeyOf } from '../support/forge.js';
import { type HttpProxy, startHttpProxy } from '../support/http-proxy.js';
import { useInstances } from '../support/instances.js';
import { raw } from '../support/raw.js';
import { FRAMEWORKS, type ProtectedService } from '../support/protected-services.js';
import { makeVerifier, type TestVerifier, verdictOf } from '../support/verifiers.js';

// Services of others, each protected by `latchkey/verifier` and nothing else.
const t = useInstances(2, { hasFaults: true });
let proxy: HttpProxy;
let client: TestClient;

beforeAll(async () => {
  proxy = await startHttpProxy(t.a.url);
  client = await addClient(t.a, await signUpStaff(t.a, t.database), 'verify');
});
afterAll(() => proxy?.stop());

const mine = ({ api }: ProtectedService, authorization?: string) =>
  api.call('GET', '/mine', authorization === undefined ? {} : { headers: { authorization } });

function expectRefusal({ status, headers, body }: Answer, challenge: string | RegExp): void {
  expect([status, body.code, body.status]).toEqual([401, 'invalid_token', 401]);
  expect(headers.get('www-authenticate')).toMatch(challenge);
  expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(headers.get('cache-control')).toBe('no-store');
  expect(Object.keys(body)).toEqual(['type', 'title', 'status', 'detail', 'code']);
}

describe.each(Object.entries(FRAMEWORKS))('%s', (_name, serve) => {
  let service: ProtectedService;
  let made: TestVerifier;

  beforeAll(async () => {
    made = makeVerifier(proxy.url, client);
    service = await serve(made.verifier);
  });
  afterAll(() => service.close());

  it('A route that is protected answers callers with an open session, and knows who they are', async () => {
    const login = await t.b.signUp();
    const { jti, exp, auth_time: authTime } = claimsOf(login.accessToken);
    const { status, body } = await mine(service, `Bearer ${login.accessToken}`);
    expect([status, body.caller]).toEqual([
      200,
      {
        userId: login.user.id,
        sessionId: login.session.id,
        tokenId: jti,
        username: login.user.email,
        authenticatedAt: new Date(Number(authTime) * 1000).toISOString(),
        expiresAt: new Date(Number(exp) * 1000).toISOString(),
      },
    ]);
    expect((await mine(service, `bearer   ${login.accessToken}`)).status).toBe(200);
    expect(await service.api.call('GET', '/open')).toMatchObject({ status: 200, body: { caller: null } });
  });

  it('Every kind of logout is seen at once, and no other session of the user is refused', async () => {
    const login = await t.a.signUp();
    const other = await t.b.signIn(login.credentials);
    const ways = [
      (device: AuthResult) => t.a.logout(device.refreshToken),
      (device: AuthResult) => t.b.endSession(other.accessToken, device.session.id),
      () => t.b.logoutOthers(other.accessToken),
    ];
    for (const end of ways) {
      const device = await t.a.signIn(login.credentials);
      const authorization = `Bearer ${device.accessToken}`;
      expect((await mine(service, authorization)).status).toBe(200);
      expect((await end(device)).status).toBeLessThan(300);
      expectRefusal(await mine(service, authorization), 'error="invalid_token"');
      expect((await mine(service, `Bearer ${other.accessToken}`)).status).toBe(200);
    }
  });

  it('A token is taken from the Authorization header alone, and only where it is exactly one', async () => {
    const { accessToken, refreshToken } = await t.a.signUp();
    const asked = proxy.asked.length;
    expectRefusal(await mine(service), /^Bearer realm="latchkey"$/);
    for (const authorization of [
      accessToken,
      `Basic ${accessToken}`,
      `Token ${accessToken}`,
      'Bearer',
      'Bearer ',
      `Bearer ${accessToken} ${accessToken}`,
      `Bearer ${accessToken}, Bearer ${accessToken}`,
      `Bearer "${accessToken}"`,
      `Bearer ${refreshToken}`,
    ]) {
      expectRefusal(
        await mine(service, authorization),
        /^Bearer realm="latchkey", error="invalid_token", error_description="[^"\\]+"$/,
      );
    }
    const elsewhere = await service.api.call('GET', `/mine?access_token=${accessToken}`, {
      cookie: `access_token=${accessToken}; refresh_token=${refreshToken}`,
      headers: { 'x-access-token': accessToken },
    });
    expectRefusal(elsewhere, /^Bearer realm="latchkey"$/);
    expect(proxy.asked.length).toBe(asked);
  });

  it('Two Authorization headers are 400, whichever is first, and nobody is asked', async () => {
    const { accessToken } = await t.a.signUp();
    const asked = proxy.asked.length;
    const [good, bad] = [`Authorization: Bearer ${accessToken}\r\n`, 'authorization: Bearer x\r\n'];
    for (const lines of [good + bad, bad + good, good + good]) {
      const answer = await raw(service.api.url, `GET /mine HTTP/1.1\r\nHost: x\r\n${lines}Connection: close\r\n\r\n`);
      expect([lines, answer]).toEqual([lines, expect.stringMatching(/^HTTP\/1\.1 400 /)]);
      expect(answer).toMatch(/^content-type: application\/problem\+json; charset=utf-8\r$/im);
      expect(answer).toContain('"code":"bad_request"');
    }
    expect(proxy.asked.length).toBe(asked);
  });

  it('While Latchkey cannot be reached the answer is 503, and afterwards all is as before', async () => {
    const { accessToken } = await t.a.signUp();
    const authorization = `Bearer ${accessToken}`;
    expect((await mine(service, authorization)).status).toBe(200);
    proxy.cut();
    const { status, headers, body } = await mine(service, authorization);
    expect([status, body.status, body.code]).toEqual([503, 503, 'service_unavailable']);
    expect(headers.get('retry-after')).toBe('1');
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(JSON.stringify(body)).not.toMatch(/127\.0\.0\.1|ECONN|socket|Latchkey/i);
    expect(made.reported.at(-1)).toMatchObject({ reason: 'unreachable' });
    expect(made.reported.at(-1)!.message).toContain(proxy.url);
    proxy.restore();
    expect((await mine(service, authorization)).status).toBe(200);
  });
});

it('A Nest application that closes closes its verifier', async () => {
  const { verifier } = makeVerifier(proxy.url, client);
  const service = await FRAMEWORKS.Nest(verifier);
  await service.close();
  await expect(verifier.verify('a.b.c')).rejects.toMatchObject({ status: 503, reason: 'closed' });
});

describe('forged tokens', () => {
  it('What is not signed by a published key, or not as an access token for this service, is 401 without asking about it', async () => {
    const { verifier, reported } = makeVerifier(proxy.url, client);
    const login = await t.a.signUp();
    await verifier.verify(login.accessToken);
    const asked = proxy.asked.length;
    const key = await signingKeyOf(t.database);
    const [header, payload, signature] = login.accessToken.split('.') as [string, string, string];
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const stranger = generateKey();
    const forged = {
      'no token': 'token',
      'nothing in its parts': '..',
      'no signature': `${header}.${payload}.`,
      'no algorithm': `${part({ alg: 'none', typ: 'at+jwt', kid: key.id })}.${payload}.${signature}`,
      'another payload': `${header}.${part({ ...claimsOf(login.accessToken), sub: randomUUID() })}.${signature}`,
      'its signature, spelt in another way': respelt(login.accessToken),
      'another signature': `${header}.${payload}.${'A'.repeat(86)}`,
      'a key of somebody else under the name of ours': resign(login, { ...stranger, id: key.id }),
      'a key in its header': resign(login, key, {}, { jwk: stranger.publicKey.export({ format: 'jwk' }) }),
      'where its key would be': resign(login, key, {}, { jku: proxy.url }),
      'an extension': resign(login, key, {}, { crit: ['b64'], b64: true }),
      'another type': resign(login, key, {}, { typ: 'JWT' }),
      'no type': resign(login, key, {}, { typ: undefined }),
      'a path for a key': resign(login, key, {}, { kid: '../../../etc/passwd' }),
      'another algorithm': resign(login, 'x'.repeat(32), {}, { kid: key.id }),
      'another audience': resign(login, key, { aud: 'others' }),
      'another issuer': resign(login, key, { iss: 'others' }),
      'no session': resign(login, key, { sid: undefined }),
      'a session that is no text': resign(login, key, { sid: 7 }),
      'no user': resign(login, key, { sub: undefined }),
      'nothing at all': signed({}, key),
      'ten thousand characters': resign(login, key, { filling: 'x'.repeat(10_000) }),
      'a refresh token': login.refreshToken,
    };
    for (const [what, token] of Object.entries(forged)) {
      expect([what, await verdictOf(verifier.verify(token))]).toEqual([what, 'invalid_token']);
    }
    for (const value of [undefined, null, 7, {}] as unknown[] as string[]) {
      expect([value, await verdictOf(verifier.verify(value))]).toEqual([value, 'invalid_token']);
    }
    expect(proxy.asked.slice(asked).map(({ path }) => path)).toEqual([]);
    // Nothing of what strangers have signed; of what is signed by Latchkey only the first that is for others.
    expect(reported.map(({ reason, message }) => [reason, /"others"/.test(message)])).toEqual([['settings', true]]);
    await verifier.close();
  });

  it('A verifier whose issuer or audience is not that of Latchkey says so once a minute, in words, and of no forged token', async () => {
    const login = await t.a.signUp();
    const { verifier, reported } = makeVerifier(proxy.url, client, {
      issuer: 'https://id.example.com',
      audience: 'shop',
    });
    await verifier.ready();
    const stranger = { ...generateKey(), id: (await signingKeyOf(t.database)).id };
    const forged = resign(login, stranger, { iss: 'evil', aud: 'evil' });
    expect(await verdictOf(verifier.verify(forged))).toBe('invalid_token');
    expect(reported).toEqual([]);

    const tokens = [login.accessToken, (await t.a.signUp()).accessToken, login.accessToken];
    for (const token of tokens) expect(await verdictOf(verifier.verify(token))).toBe('invalid_token');
    expect(reported.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /issuer "latchkey", and .* expects "https:\/\/id\.example\.com".*\n.*audience "latchkey", and .* expects "shop"/,
      ),
    ]);
    const now = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
    await verdictOf(verifier.verify(login.accessToken));
    now.mockRestore();
    expect(reported.map(({ reason }) => reason)).toEqual(['settings', 'settings']);
    await verifier.close();
  });

  it('One wrong setting is named alone, by the warnings of the process as well, and in mode signature', async () => {
    const emit = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const { accessToken } = await t.a.signUp();
    const verifier = createVerifier({ url: t.a.url, mode: 'signature', audience: 'shop' });
    for (let i = 0; i < 2; i++) expect(await verdictOf(verifier.verify(accessToken))).toBe('invalid_token');
    expect(emit.mock.calls).toEqual([
      [expect.stringMatching(/^(?!.*issuer)[^]*audience "latchkey"/), expect.objectContaining({ code: 'settings' })],
    ]);
    emit.mockRestore();
    await verifier.close();
  });

  it('A key that is not known makes it read the keys again, four times a second at most, however many tokens name one', async () => {
    const { verifier } = makeVerifier(proxy.url, client);
    const login = await t.a.signUp();
    await verifier.verify(login.accessToken);
    const asked = proxy.asked.length;
    const startedAt = performance.now();
    const forged = Array.from({ length: 100 }, () => resign(login, generateKey()));
    const verdicts = await Promise.all(forged.map((token) => verdictOf(verifier.verify(token))));
    expect(new Set(verdicts)).toEqual(new Set(['invalid_token']));
    for (const token of forged.slice(0, 4)) await verdictOf(verifier.verify(token));
    const seconds = (performance.now() - startedAt) / 1000;
    const paths = proxy.asked.slice(asked).map(({ path }) => path);
    expect(new Set(paths)).toEqual(new Set(['/.well-known/jwks.json']));
    expect(paths.length).toBeLessThanOrEqual(1 + seconds * 4);
    await verifier.close();
  });

  it('A token whose time is over is 401, by the clock of Latchkey', async () => {
    const { verifier } = makeVerifier(proxy.url, client);
    const login = await t.a.signUp();
    const key = await signingKeyOf(t.database);
    const now = Math.floor(Date.now() / 1000);
    const verdict = (changes: object) => verdictOf(verifier.verify(resign(login, key, { ...changes })));
    expect(await verdict({ exp: now - 60 })).toBe('invalid_token');
    expect(await verdict({ exp: now + 60 })).toBe('accepted');
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => (now + 86_400) * 1000);
    expect(await verdict({ exp: now + 60 })).toBe('accepted');
    clock.mockRestore();
    await verifier.close();
  });
});

it('Each signature is verified once, however many requests bring the token', async () => {
  const verify = jest.spyOn(crypto.subtle, 'verify');
  const { verifier } = makeVerifier(proxy.url, client);
  const { accessToken } = await t.a.signUp();
  await Promise.all(Array.from({ length: 20 }, () => verifier.verify(accessToken)));
  await verifier.verify(accessToken);
  expect(verify).toHaveBeenCalledTimes(1);
  verify.mockRestore();
  await verifier.close();
});
