import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { useInstances } from '../support/instances.js';
import { raw } from '../support/raw.js';

const IDLE_SOCKETS = 3000;
const t = useInstances(1, { env: { REQUEST_TIMEOUT_MS: '2000' } });

describe('what two readers could read in two ways is refused', () => {
  const body = '{"refreshToken":"x"}';
  const request = (headers: string) => `POST /auth/refresh HTTP/1.1\r\n${headers}\r\nConnection: close\r\n\r\n${body}`;
  const plain = `Host: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;

  it('A request with one length, one type and one host is read and answered by its route', async () => {
    expect(await raw(t.a.url, request(plain))).toMatch(/^HTTP\/1\.1 401 [^]*"code":"invalid_refresh_token"/);
  });

  it.each([
    ['a length and chunks', `${plain}\r\nTransfer-Encoding: chunked`],
    ['chunks and a length', `Transfer-Encoding: chunked\r\n${plain}`],
    ['two lengths', `${plain}\r\nContent-Length: 3`],
    ['the same length twice', `${plain}\r\nContent-Length: ${body.length}`],
    ['a length with a sign', plain.replace('Length: ', 'Length: +')],
    ['chunks by another name', `${plain}\r\nTransfer-Encoding: xchunked`],
    ['chunks and something after them', `Transfer-Encoding: chunked, identity\r\n${plain}`],
    ['chunks with a space before the colon', `${plain}\r\nTransfer-Encoding : chunked`],
    ['chunks behind a folded line', `${plain}\r\nX: y\r\n Transfer-Encoding: chunked`],
    ['chunks behind a bare line feed', `${plain}\r\nX: y\nTransfer-Encoding: chunked`],
    ['chunks behind a bare carriage return', `${plain}\r\nX: y\rTransfer-Encoding: chunked`],
    ['two hosts', `${plain}\r\nHost: y`],
    ['the same host twice', `${plain}\r\nhost: x`],
    ['two types', `${plain}\r\nContent-Type: application/json`],
    ['two credentials', `${plain}\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b`],
    ['a NUL', `${plain}\r\nX: a\0b`],
  ])('A request with %s is answered 400 once, and none of it is read as a second request', async (_, headers) => {
    const answer = await raw(t.a.url, request(headers));
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"bad_request"');
    // One answer: what came after was not read as a request of its own.
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  it('A request that is hidden behind an ambiguous length is not read as a second one', async () => {
    const smuggled = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';
    const answer = await raw(
      t.a.url,
      `POST /auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${smuggled.length + 5}\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    );
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(answer).not.toContain('HTTP/1.1 200');
  });
});

describe('a client that is too slow is told so, and let go', () => {
  const head = 'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  it.each([
    ['with a request line that never ends', 'POST /auth', ''],
    ['with headers that never end', head, 'X-More: y\r\n'],
    ['with an announced body that never comes', `${head}Content-Length: 100\r\n\r\n`, ''],
    ['with a body that comes byte by byte', `${head}Content-Length: 10000\r\n\r\n`, ' '],
    ['with chunks that never end', `${head}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
  ])('A client %s is answered 408 and disconnected', async (_, bytes, drop) => {
    let dripping: NodeJS.Timeout | undefined;
    const answer = await raw(t.a.url, bytes, (socket) => {
      dripping = setInterval(() => socket.writable && socket.write(drop), 100);
    });
    clearInterval(dripping);
    expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*"code":"request_timeout"/);
  });
});

it('The service serves while thousands of silent sockets are open, and closes them', async () => {
  const { hostname, port } = new URL(t.a.url);
  const { accessToken } = await t.a.signUp();
  let open = 0;
  const ends: Promise<unknown>[] = [];
  for (let i = 0; i < IDLE_SOCKETS; i++) {
    const socket: Socket = connect(Number(port), hostname);
    socket.on('error', () => undefined).resume();
    ends.push(once(socket, 'close').then(() => (open -= 1)));
    open += 1;
    if (i % 250 === 0) await once(socket, 'connect');
  }
  expect(open).toBeGreaterThan(0);
  for (let i = 0; i < 20; i++) {
    expect((await t.a.me(accessToken)).status).toBe(200);
  }
  await Promise.all(ends);
  expect(open).toBe(0);
  expect((await t.a.me(accessToken)).status).toBe(200);
}, 60_000);
