import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff, type TestClient } from '../support/clients.js';
import { type HttpProxy, startHttpProxy } from '../support/http-proxy.js';
import { useInstances } from '../support/instances.js';
import { until } from '../support/until.js';
import { makeVerifier, verdictOf } from '../support/verifiers.js';

// What a verifier asks, counted at Latchkey's door.
const t = useInstances(2);
let proxy: HttpProxy;
let client: TestClient;
let devices: AuthResult[];

beforeAll(async () => {
  proxy = await startHttpProxy(t.a.url);
  client = await addClient(t.a, await signUpStaff(t.a, t.database), 'verify');
  const owner = await t.a.signUp();
  devices = [owner, ...(await Promise.all(Array.from({ length: 8 }, () => t.b.signIn(owner.credentials))))];
});
afterAll(() => proxy?.stop());

/** The numbers of tokens that were asked about together, since there were so many questions. */
const batchesSince = (asked: number): number[] =>
  proxy.asked
    .slice(asked)
    .filter(({ path }) => path === '/verify/batch')
    .map(({ body }) => JSON.parse(body).tokens.length);

/** A verifier that has verified these tokens before, so that nothing but Latchkey's answer is waited for. */
async function warmVerifier() {
  const { verifier } = makeVerifier(proxy.url, client);
  await Promise.all(devices.map(({ accessToken }) => verifier.verify(accessToken)));
  return { verifier, asked: proxy.asked.length };
}

it('All requests that wait at the same moment are one question, and each learns who its own caller is', async () => {
  const { verifier, asked } = await warmVerifier();
  const callers = await Promise.all(
    Array.from({ length: 90 }, (_, i) => verifier.verify(devices[i % devices.length]!.accessToken)),
  );
  expect(callers.map(({ sessionId }) => sessionId)).toEqual(
    callers.map((_, i) => devices[i % devices.length]!.session.id),
  );
  // Each token once, however many wait for it.
  expect(batchesSince(asked)).toEqual([devices.length]);
  await verifier.close();
});

it('A request that arrives while a question is under way is never answered by it', async () => {
  const { verifier } = await warmVerifier();
  const owner = await t.a.signUp();
  const ended = await t.a.signIn(owner.credentials);
  await verifier.verify(ended.accessToken);

  proxy.hold();
  const before = verdictOf(verifier.verify(ended.accessToken));
  await until('Latchkey has answered, and the answer is on its way', () => proxy.held() === 1);
  expect((await t.b.logout(ended.refreshToken)).status).toBe(204);
  const after = [1, 2, 3].map(() => verdictOf(verifier.verify(ended.accessToken)));
  const other = verdictOf(verifier.verify(owner.accessToken));
  proxy.release();

  expect(await before).toBe('accepted');
  expect(await Promise.all(after)).toEqual(['invalid_token', 'invalid_token', 'invalid_token']);
  expect(await other).toBe('accepted');
  await verifier.close();
});

it('An answer that does not come keeps nobody behind it waiting', async () => {
  const { verifier } = await warmVerifier();
  const [one, other] = devices as [AuthResult, AuthResult];
  proxy.hold();
  const stuck = verdictOf(verifier.verify(one.accessToken));
  await until('its answer is held', () => proxy.held() === 1);
  // It is asked over another connection, whose answers are held as well.
  const behind = verdictOf(verifier.verify(other.accessToken));
  await until('the one behind it was asked', () => proxy.held() === 2);
  proxy.release();
  expect(await Promise.all([stuck, behind])).toEqual(['accepted', 'accepted']);
  await verifier.close();
});

it('More than 500 at once are split, and all are answered', async () => {
  const { verifier, asked } = await warmVerifier();
  const ended = await t.a.signUp();
  await verifier.verify(ended.accessToken);
  await t.b.logout(ended.refreshToken);
  const since = batchesSince(asked).length;
  const tokens = Array.from({ length: 1203 }, (_, i) =>
    i % 100 === 7 ? ended.accessToken : devices[i % devices.length]!.accessToken,
  );
  const verdicts = await Promise.all(tokens.map((token) => verdictOf(verifier.verify(token))));
  expect(verdicts).toEqual(tokens.map((token) => (token === ended.accessToken ? 'invalid_token' : 'accepted')));
  const sizes = batchesSince(asked).slice(since);
  expect(sizes).toEqual(Array.from({ length: 3 }, () => devices.length + 1));
  await verifier.close();
});

it('Connections are kept, and one that was closed meanwhile costs nobody an answer', async () => {
  const connections = proxy.connections();
  const { verifier } = await warmVerifier();
  for (const { accessToken } of devices) await verifier.verify(accessToken);
  expect(proxy.connections()).toBe(connections + 1);
  for (let time = 0; time < 5; time++) {
    proxy.cutIdle();
    const verdicts = await Promise.all(devices.map(({ accessToken }) => verdictOf(verifier.verify(accessToken))));
    expect(verdicts).toEqual(devices.map(() => 'accepted'));
  }
  await verifier.close();
});

it('No answer is kept: each request is a question, also for the same token', async () => {
  const { verifier, asked } = await warmVerifier();
  for (let time = 0; time < 10; time++) await verifier.verify(devices[0]!.accessToken);
  expect(batchesSince(asked)).toEqual(Array.from({ length: 10 }, () => 1));
  await verifier.close();
});

it('A verifier that is closed answers those who wait, and asks nothing more', async () => {
  const { verifier } = await warmVerifier();
  proxy.hold();
  const waiting = verdictOf(verifier.verify(devices[0]!.accessToken));
  await until('its answer is held', () => proxy.held() === 1);
  const closing = verifier.close();
  expect(await verdictOf(verifier.verify(devices[1]!.accessToken))).toBe('closed');
  proxy.release();
  await closing;
  expect(await waiting).toBe('accepted');
});
