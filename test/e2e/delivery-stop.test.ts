import type { ServerResponse } from 'node:http';
import { signUpStaff } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let instance: Instance;
let receiver: TestReceiver;
let held: ServerResponse[];
let receiverId: string;

const start = async () => (instance = await startInstance({ env: { DATABASE_URL: database.url } }));

beforeEach(async () => {
  database = await createDatabase();
  receiver = await TestReceiver.open();
  held = [];
  receiver.answer = (_, response) => void held.push(response);
  const { api } = await start();
  const { accessToken: bearer } = await signUpStaff(api, database);
  const body = { url: receiver.url, kind: 'webhook', events: ['session.revoked'] };
  receiverId = (await api.call('POST', '/admin/receivers', { bearer, body })).body.id;
  await api.logout((await api.signUp()).refreshToken);
  await until('it is under way', () => held.length === 1);
});

afterEach(async () => {
  await instance.kill('SIGTERM');
  await receiver.stop();
  await database.drop();
});

const delivery = async () =>
  (
    await database.query(
      `SELECT d.state, d.status, d.answer, d.claimed_until AS "claimedUntil", r.failures
       FROM deliveries d JOIN receivers r ON r.id = d.receiver_id WHERE r.id = $1`,
      [receiverId],
    )
  )[0];
const ids = () => receiver.received.map(({ headers }) => headers['webhook-id']);

it('A stop does not wait until a receiver is out of time: what it did not answer is left to others at once, and no failure of it', async () => {
  expect(await instance.kill('SIGTERM')).toBe(0);
  expect(await delivery()).toEqual({ state: 'waiting', status: null, answer: null, claimedUntil: null, failures: 0 });

  receiver.answer = null;
  await start();
  await until('it is taken', async () => (await delivery())?.['state'] === 'delivered');
  expect(ids()).toEqual([ids()[0], ids()[0]]);
}, 60_000);

it('A stop waits for an answer that is about to come', async () => {
  const stopped = instance.kill('SIGTERM');
  await until('it takes no more requests', () =>
    fetch(instance.api.url).then(
      () => false,
      () => true,
    ),
  );
  held[0]!.writeHead(204).end();
  expect(await stopped).toBe(0);
  expect(await delivery()).toMatchObject({ state: 'delivered', status: 204 });
  expect(ids()).toHaveLength(1);
}, 60_000);
