import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

/** Connections as clients hold them: each keeps a server that waits for it from closing. */
export async function holdSockets({ url }: { url: string }, bearer: string): Promise<Socket[]> {
  const { hostname, port } = new URL(url);
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bearer}\r\n\r\n`;
  const sockets = [
    '',
    'GET /auth/me HTTP/1.1\r\nHost: x\r\n',
    'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"email":',
    get('/health/live'),
    get('/sessions/events'),
    // Answers that nobody reads, more than the buffers on the way can take.
    get('/page/page.mjs').repeat(2000),
  ].map((bytes) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.on('error', () => undefined);
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  await Promise.all([3, 4, 5].map((i) => once(sockets[i]!, 'readable')));
  return sockets;
}
