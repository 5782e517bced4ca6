import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff, type TestClient } from '../support/clients.js';
import { resign, signingKeyOf } from '../support/forge.js';
import { type HttpProxy, startHttpProxy } from '../support/http-proxy.js';
import { startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { publishedBy, rotateKeys } from '../support/keys.js';
import { ageKeys } from '../support/time.js';
import { createVerifier, type Verifier } from '../../src/verifier/index.js';
import { makeVerifier, verdictOf } from '../support/verifiers.js';

// Keys are rotated and leak while services verify tokens, in both modes. Time is moved, not waited for.
const t = useInstances(2, { env: { SESSION_CHECK_TIMEOUT_MS: '30000' } });
let client: TestClient;
let proxy: HttpProxy;

let movedMs = 0;
beforeAll(async () => {
  const now = performance.now.bind(performance);
  jest.spyOn(performance, 'now').mockImplementation(() => now() + movedMs);
  client = await addClient(t.a, await signUpStaff(t.a, t.database), 'verify');
  proxy = await startHttpProxy(t.a.url);
});
afterAll(() => {
  jest.restoreAllMocks();
  proxy?.stop();
});

/** So many minutes pass for the keys, and for how long verifiers have had them. Both instances have looked since. */
async function pass(minutes: number): Promise<void> {
  await ageKeys(t.database, `${minutes} minutes`);
  movedMs += minutes * 60_000;
  await Promise.all([publishedBy(t.a), publishedBy(t.b)]);
}

const kidOf = ({ accessToken }: AuthResult): string =>
  JSON.parse(Buffer.from(accessToken.split('.')[0]!, 'base64url').toString()).kid;

/** The next access tokens of the same devices. */
const refreshed = (devices: readonly AuthResult[]): Promise<AuthResult[]> =>
  Promise.all(devices.map(async ({ refreshToken }, i) => (await (i % 2 ? t.a : t.b).refresh(refreshToken)).body));

const verdictsOf = (verifiers: readonly Verifier[], tokens: readonly string[]): Promise<string[]> =>
  Promise.all(verifiers.flatMap((verifier) => tokens.map((token) => verdictOf(verifier.verify(token)))));

const tokensOf = (devices: readonly AuthResult[]) => devices.map(({ accessToken }) => accessToken);
const all = (verdict: string, verdicts: readonly string[]) => verdicts.map(() => verdict);

it('While keys are rotated no good token is refused, in either mode, whenever a verifier has read the keys', async () => {
  const verifiers = [t.a, t.b].map(({ url }) => makeVerifier(url, client).verifier);
  verifiers.push(createVerifier({ url: t.b.url, mode: 'signature' }));
  let devices = await Promise.all([t.a.signUp(), t.b.signUp(), t.a.signUp()]);
  const [former] = [kidOf(devices[0]!)];
  const kids = new Set<string>();
  expect((await rotateKeys(t.database.url)).code).toBe(0);
  for (let minutes = 0; minutes <= 70; minutes += 5) {
    if (minutes % 15 === 0) verifiers.push(makeVerifier(t.a.url, client).verifier);
    devices = (await refreshed(devices)) as typeof devices;
    devices.forEach((device) => kids.add(kidOf(device)));
    const verdicts = await verdictsOf(verifiers, tokensOf(devices));
    expect([minutes, verdicts]).toEqual([minutes, all('accepted', verdicts)]);
    await pass(5);
  }
  expect(kids.size).toBe(2);
  expect(kids).toContain(former);
  expect(await publishedBy(t.a)).toEqual([...kids].filter((kid) => kid !== former));
  await Promise.all(verifiers.map((verifier) => verifier.close()));
}, 120_000);

it('After keys:rotate --leaked a strict verifier refuses at once what the leaked key signed, and no refreshed token', async () => {
  const verifiers = [t.a, t.b].map(({ url }) => makeVerifier(url, client).verifier);
  for (let time = 0; time < 3; time++) {
    const devices = await Promise.all([t.a.signUp(), t.b.signUp()]);
    const leaked = await signingKeyOf(t.database);
    // One that the verifiers remember, and one that they meet for the first time afterwards.
    const known = devices.map((device) => resign(device, leaked));
    const fresh = devices.map((device) => resign(device, leaked));
    const before = await verdictsOf(verifiers, [...tokensOf(devices), ...known]);
    expect(before).toEqual(all('accepted', before));

    expect((await rotateKeys(t.database.url, { args: ['--leaked'] })).code).toBe(0);

    const after = await verdictsOf(verifiers, [...tokensOf(devices), ...known, ...fresh]);
    expect(after).toEqual(all('invalid_token', after));
    // Signed by a key that no verifier has read, and that none has to wait ten minutes for.
    const renewed = await verdictsOf(verifiers, tokensOf(await refreshed(devices)));
    expect(renewed).toEqual(all('accepted', renewed));
  }
  await Promise.all(verifiers.map((verifier) => verifier.close()));
}, 60_000);

describe('signature mode', () => {
  it('Nobody is asked but for the keys, once in five minutes', async () => {
    const verifier = createVerifier({ url: proxy.url, mode: 'signature' });
    const { accessToken } = await t.a.signUp();
    const asked = proxy.asked.length;
    const verify = () => Promise.all(Array.from({ length: 50 }, () => verdictOf(verifier.verify(accessToken))));
    expect(new Set(await verify())).toEqual(new Set(['accepted']));
    await pass(4);
    expect(new Set(await verify())).toEqual(new Set(['accepted']));
    expect(proxy.asked.slice(asked).map(({ path }) => path)).toEqual(['/.well-known/jwks.json']);
    await verifier.close();
  });

  it('A token of an ended session is accepted until it expires and 30 seconds longer, and no longer', async () => {
    const verifier = createVerifier({ url: t.a.url, mode: 'signature' });
    const login = await t.a.signUp();
    await t.b.logout(login.refreshToken);
    expect(await verdictOf(verifier.verify(login.accessToken))).toBe('accepted');
    const { now } = Date;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + login.expiresIn * 1000);
    expect(await verdictOf(verifier.verify(login.accessToken))).toBe('accepted');
    clock.mockImplementation(() => now() + (login.expiresIn + 30) * 1000);
    expect(await verdictOf(verifier.verify(login.accessToken))).toBe('invalid_token');
    clock.mockRestore();
    await verifier.close();
  });

  it('What a leaked key signed is refused once the keys are read again, also where its signature was verified before', async () => {
    const verifier = createVerifier({ url: t.a.url, mode: 'signature' });
    const login = await t.a.signUp();
    const leaked = await signingKeyOf(t.database);
    const forged = () => resign(login, leaked, { exp: Math.floor(Date.now() / 1000) + 86_400 });
    const known = forged();
    expect(await verdictOf(verifier.verify(known))).toBe('accepted');
    await rotateKeys(t.database.url, { args: ['--leaked'] });
    expect(await verdictOf(verifier.verify(known))).toBe('accepted');
    movedMs += 600_000;
    expect(await verdictsOf([verifier], [known, forged()])).toEqual(['invalid_token', 'invalid_token']);
    await verifier.close();
  });

  it('Latchkey may be away for as long as the keys may be used, and no longer', async () => {
    const verifier = createVerifier({ url: proxy.url, mode: 'signature', onError: () => undefined });
    const { accessToken } = await t.a.signUp();
    const key = await signingKeyOf(t.database);
    const longer = resign({ accessToken }, key, { exp: Math.floor(Date.now() / 1000) + 86_400 });
    expect(await verdictOf(verifier.verify(longer))).toBe('accepted');
    proxy.cut();
    movedMs += 360_000;
    expect(await verdictOf(verifier.verify(longer))).toBe('accepted');
    movedMs += 239_000;
    expect(await verdictOf(verifier.verify(longer))).toBe('accepted');
    movedMs += 1000;
    expect(await verdictOf(verifier.verify(longer))).toBe('unreachable');
    proxy.restore();
    expect(await verdictOf(verifier.verify(longer))).toBe('accepted');
    await verifier.close();
  });
});

it('A Latchkey that signs with HS256 is 503, and said to developers in words', async () => {
  const instance = await startInstance({ env: { DATABASE_URL: t.database.url, JWT_ALGORITHM: 'HS256' } });
  const { verifier, reported } = makeVerifier(instance.url, client);
  const { accessToken } = await t.a.signUp();
  expect(await verdictOf(verifier.verify(accessToken))).toBe('no_keys');
  await expect(verifier.ready()).rejects.toThrow('JWT_ALGORITHM must be ES256');
  expect(reported.map(({ reason }) => reason)).toEqual(['no_keys', 'no_keys']);
  expect(await verdictOf(verifier.verify((await instance.api.signUp()).accessToken))).toBe('invalid_token');
  await verifier.close();
  await instance.kill('SIGTERM');
});
