import { PASSWORD } from '../support/api.js';
import { startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { cutListeners, type End, expectStreamsToEnd, logout, watched } from '../support/watched.js';

const t = useInstances(2);
const ROUNDS = 4;
const AT_ONCE = 25;

it('Streams end after a logout, and report each change once, though the LISTEN connections were just cut', async () => {
  const logoutAfterCut: End = async (one, api) => {
    await cutListeners(t);
    await logout(one, api);
  };
  for (let round = 0; round < ROUNDS; round++) {
    await expectStreamsToEnd(t, AT_ONCE, logoutAfterCut, { reason: 'logout' });
  }

  // And what happened to other devices meanwhile is told, once, and nothing again that was told before.
  const { account, other, streams } = await watched(t);
  const rename = { bearer: account.accessToken, body: { deviceName: 'Phone' } };
  await t.a.call('PATCH', `/sessions/${other.session.id}`, rename);
  for (const stream of streams) await stream.await('session.renamed', other.session.id);
  await cutListeners(t);
  await t.a.endSession(account.accessToken, other.session.id);
  const third = await t.b.signIn({ email: account.user.email, password: PASSWORD });
  for (const stream of streams) {
    await stream.await('session.revoked', other.session.id);
    await stream.await('session.created', third.session.id);
  }
  await t.a.endSession(third.accessToken, third.session.id);
  for (const stream of streams) {
    await stream.await('session.revoked', third.session.id);
    expect(new Set(stream.events.map(({ id }) => id)).size).toBe(stream.events.length);
    stream.close();
  }
}, 120_000);

it('Streams of a session end though the instance that answered the logout is killed right after', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const doomed = await startInstance({ env: { DATABASE_URL: t.database.url } });
    const all = await Promise.all(Array.from({ length: AT_ONCE }, () => watched(t)));
    await Promise.all(all.map((one) => logout(one, doomed.api)));
    await doomed.kill('SIGKILL');
    await Promise.all(all.flatMap(({ streams }) => streams.map((stream) => stream.ended())));
  }
}, 120_000);
