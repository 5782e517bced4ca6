import type { Socket } from 'node:net';
import type { AuthResult } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { endlessly, RawReceiver } from '../support/raw-receiver.js';
import { until } from '../support/until.js';

// What a receiver may write that means ill, or is out of order. Each is sent a test, and staff look what became of it.
const t = useInstances(1);
const receivers: RawReceiver[] = [];
let staff: AuthResult;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

afterAll(() => Promise.all(receivers.map((receiver) => receiver.stop())));

const admin = (method: string, path: string, body?: unknown) =>
  t.a.call(method, `/admin/receivers${path}`, { bearer: staff.accessToken, ...(body !== undefined && { body }) });

/** Sends a test to one that answers so. Returns its delivery after the first attempt. */
async function sendTo(answer: (socket: Socket) => void) {
  const receiver = await RawReceiver.open(answer);
  receivers.push(receiver);
  const added = await admin('POST', '', { url: receiver.url, kind: 'webhook', events: ['session.expired'] });
  const { id } = added.body;
  expect((await admin('POST', `/${id}/test`)).status).toBe(202);
  const delivery = await until('it was tried', async () => {
    const { body } = await admin('GET', `/${id}/deliveries`);
    return body.items[0].answer !== null && body.items[0];
  });
  return { delivery, receiver, id };
}

const after = (head: string, body = '') => `HTTP/1.1 ${head}\r\n\r\n${body}`;
const says =
  (...texts: string[]) =>
  (socket: Socket) =>
    void socket.end(texts.join(''));

it.concurrent.each<[string, (socket: Socket) => void, number | null, string]>([
  ['says nothing and closes', (socket) => socket.destroy(), null, 'socket hang up'],
  ['is no web server', says('SSH-2.0-OpenSSH_9.9\r\n'), null, 'Parse Error: Expected HTTP/, RTSP/ or ICE/'],
  // Such an answer is neither a response nor an error, and would occupy a place for good.
  [
    'switches protocols',
    (socket) => socket.write(after('101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade', 'hello')),
    null,
    'it closed the connection without an answer',
  ],
  [
    'floods with headers',
    endlessly(after('200 OK').trim() + '\r\n', `x: ${'y'.repeat(9000)}\r\n`),
    null,
    'Parse Error',
  ],
  [
    'gives its length twice',
    says(after('200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3', '0\r\n\r\n')),
    null,
    'Parse Error',
  ],
  ['begins and never ends its headers', endlessly('HTTP/1.1 200 OK\r\n', 'a: b\r\n'), null, 'not answer within 10 s'],
  ['says 103 for ever', endlessly('', after('103 Early Hints')), null, 'it did not answer within 10 seconds'],
  [
    'answers after half a minute',
    (socket) => void setTimeout(() => socket.end(after('204 No Content')), 30_000).unref(),
    null,
    'it did not answer within 10 seconds',
  ],
  ['never ends what it says', endlessly(after('500 No\r\nContent-Length: 999', 'not yet'), ''), 500, 'not yet'],
  ['breaks off', says(after('500 No\r\nContent-Length: 999', 'half')), 500, 'half'],
  ['is out of its chunks', says(after('500 No\r\nTransfer-Encoding: chunked', '4\r\nhalf\r\nZZ\r\n')), 500, 'half'],
  ['answers with a status of its own', says(after('999 <script>\r\nContent-Length: 0')), 999, ''],
])(
  'A receiver that %s has not taken it, and the reason is shown',
  async (_, answer, status, shown) => {
    const { delivery, receiver, id } = await sendTo(answer);
    expect(delivery).toMatchObject({ state: 'waiting', status, answer: expect.stringContaining(shown) });
    expect((await admin('DELETE', `/${id}`)).status).toBe(204);
    await until('nothing is left open', () => receiver.openConnections === 0);
  },
  40_000,
);

it('The status is what counts: one that breaks off what it says after it has taken it', async () => {
  const { delivery } = await sendTo(says(after('200 OK\r\nContent-Length: 999', 'thank y')));
  expect(delivery).toMatchObject({ state: 'delivered', status: 200, answer: 'thank y' });
});

it('What is compressed is not unpacked', async () => {
  const { delivery } = await sendTo(says(after('200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6', 'packed')));
  expect(delivery.answer).toBe('packed');
});

it('Of what a receiver says staff see the first line, without what could steer a terminal or turn the line around', async () => {
  const body = '\r\n  <b>no\u0000t\u001b[31m \u202enow\u2066 \u200b✓</b>\u2028second\nthird';
  const { delivery } = await sendTo(says(after('400 No\r\nContent-Type: text/html\r\nConnection: close', body)));
  expect(delivery.answer).toBe('<b>not[31m now ✓</b>');
});
