import type { Socket } from 'node:net';
import { type AuthResult, someone } from '../support/api.js';
import { useInstances } from '../support/instances.js';
import { RawReceiver } from '../support/raw-receiver.js';
import { until } from '../support/until.js';

// Production, with receivers in its database that could not be added there: a copy of a developer's database is served, or a name
// leads somewhere else than on the day when it was added.
const NAMED = '127.0.0.2';
const INSIDE = '127.0.0.1';
const NAMES = {
  'both.test': [[INSIDE, NAMED]],
  'inside.test': [[INSIDE, '10.0.0.1', '169.254.169.254', 'fd00:ec2::254']],
  // The second is what a lookup for the connection would get, after one for a check.
  'rebinding.test': [[NAMED], [INSIDE]],
};
const t = useInstances(1, {
  env: {
    NODE_ENV: 'production',
    LOG_LEVEL: 'info',
    TRUST_PROXY: '1',
    RECEIVER_NETWORKS: NAMED,
    NODE_OPTIONS: `--import=${process.cwd()}/test/support/false-names.mjs`,
    FALSE_NAMES: JSON.stringify(NAMES),
  },
});
const headers = { 'x-forwarded-proto': 'https' };
const takes = (socket: Socket) => void socket.end('HTTP/1.1 204 Taken\r\nConnection: close\r\n\r\n');
let staff: AuthResult;
// The same port of two addresses of this machine.
let named: RawReceiver;
let inside: RawReceiver;

beforeAll(async () => {
  staff = (await t.a.register(someone(), { headers })).body;
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
  named = await RawReceiver.open(takes, NAMED);
  inside = await RawReceiver.open(takes, INSIDE, named.port);
});

afterAll(() => Promise.all([named?.stop(), inside?.stop()]));

const admin = (method: string, path: string, body?: unknown) =>
  t.a.call(method, `/admin/receivers${path}`, {
    bearer: staff.accessToken,
    headers,
    ...(body !== undefined && { body }),
  });

/** Sends a test to a URL that is in the database. Returns what became of the first attempt. */
async function sendTo(url: string, receiverId?: string) {
  const [row] = await t.database.query<{ id: string }>(
    `INSERT INTO receivers (id, url, kind, events) VALUES (coalesce($2, gen_random_uuid()), $1, 'backchannel_logout', '{}')
     ON CONFLICT (id) DO UPDATE SET url = $1 RETURNING id`,
    [url, receiverId],
  );
  const { body } = await admin('POST', `/${row!.id}/test`);
  const delivery = await until('it was tried', async () => {
    const { items } = (await admin('GET', `/${row!.id}/deliveries`)).body;
    const found = items.find(({ id }: { id: string }) => id === body.id);
    return found.answer !== null && found;
  });
  return { delivery, id: row!.id };
}

const REFUSED = /not an address of the internet, nor in RECEIVER_NETWORKS$/;
// Whether `localhost.` is a name at all is up to the resolver.
const REFUSED_OR_NONE = /not an address of the internet, nor in RECEIVER_NETWORKS$|ENOTFOUND localhost\.$/;

it.each([
  '127.0.0.1',
  'localhost',
  'localhost.',
  'LOCALHOST',
  '2130706433',
  '0x7f.1',
  '0177.0.0.1',
  '①②⑦.0.0.1',
  '0.0.0.0',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::7f00:1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '[2001:0:7f00:1::]',
  'inside.test',
])('Nothing is sent to http://%s, though a receiver has that URL', async (host) => {
  const before = inside.connections;
  const { delivery } = await sendTo(`http://${host}:${named.port}/`);
  expect(delivery).toMatchObject({ state: 'waiting', status: null, answer: expect.stringMatching(REFUSED_OR_NONE) });
  expect(inside.connections).toBe(before);
});

it.each([
  '169.254.169.254',
  '100.64.0.1',
  '10.0.0.1',
  '192.168.0.1',
  '168.63.129.16',
  '224.0.0.1',
  '255.255.255.255',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '[ff02::1]',
])('A receiver at https://%s is refused, and where it is there, nothing is sent to it', async (host) => {
  const url = `https://${host}/latest/meta-data/`;
  const added = await admin('POST', '', { url, kind: 'webhook', events: ['session.revoked'] });
  expect([added.status, added.body.errors]).toEqual([
    400,
    [{ field: 'url', message: expect.stringMatching(/^must not lead to a private/) }],
  ]);
  expect((await sendTo(url)).delivery.answer).toMatch(REFUSED);
});

it('Of a name with an address that is allowed and one that is not, the first alone is connected to', async () => {
  const before = inside.connections;
  const { delivery } = await sendTo(`http://both.test:${named.port}/`);
  expect(delivery).toMatchObject({ state: 'delivered', status: 204 });
  expect(inside.connections).toBe(before);
});

it('A name is looked up once for an attempt: what it is a moment later does not matter, and at the next one it is refused', async () => {
  const [toNamed, toInside] = [named.connections, inside.connections];
  const { delivery, id } = await sendTo(`http://rebinding.test:${named.port}/`);
  expect(delivery).toMatchObject({ state: 'delivered', status: 204 });
  expect(named.connections).toBe(toNamed + 1);
  const { delivery: next } = await sendTo(`http://rebinding.test:${named.port}/`, id);
  expect(next).toMatchObject({ state: 'waiting', status: null, answer: expect.stringMatching(REFUSED) });
  expect(inside.connections).toBe(toInside);
});
