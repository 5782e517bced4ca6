import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

/** What reached the protected dashboard: a request as it came, header by header. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly trailers: readonly string[];
  readonly bytes: number;
  readonly sha256: string;
}

/** What stands behind the proxies and asks nobody: it answers everyone with what it saw. */
export interface Dashboard {
  readonly address: string;
  /** Everything that came so far, WebSockets included. */
  readonly seen: Seen[];
  /** Protocols other than WebSocket that it was asked to go over to, which it did. */
  readonly tunnels: string[];
  /** Sends an event to whoever reads the stream at /events. */
  send(event: string): void;
  stop(): void;
}

export async function startDashboard(): Promise<Dashboard> {
  const seen: Seen[] = [];
  const tunnels: string[] = [];
  const streams = new Set<ServerResponse>();
  const server = createServer((request, response) => void answer(request, response));
  const webSockets = new WebSocketServer({ noServer: true });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const one = await look(request);
    seen.push(one);
    const { pathname } = new URL(one.url, 'http://dashboard');
    if (pathname === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      streams.add(response);
      return;
    }
    const [, status = '200'] = /^\/status\/(\d+)$/.exec(pathname) ?? [];
    response.writeHead(Number(status), { 'content-type': 'application/json' }).end(JSON.stringify(one));
  }

  server.on('upgrade', (request: IncomingMessage, socket, head) => {
    seen.push({ ...headersOf(request), trailers: [], bytes: 0, sha256: '' });
    const { upgrade: protocol = '' } = request.headers;
    if (protocol.toLowerCase() !== 'websocket') {
      tunnels.push(protocol);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (client) => {
      client.on('message', (message) => client.send(`echo ${String(message as Buffer)}`));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    tunnels,
    send: (event) => streams.forEach((stream) => stream.write(`data: ${event}\n\n`)),
    stop() {
      webSockets.clients.forEach((client) => client.terminate());
      server.close();
      server.closeAllConnections();
    },
  };
}

async function look(request: IncomingMessage): Promise<Seen> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { ...headersOf(request), trailers: request.rawTrailers, bytes, sha256: hash.digest('hex') };
}

const headersOf = ({ method = '', url = '', rawHeaders }: IncomingMessage) => ({
  method,
  url,
  headers: Array.from(
    { length: rawHeaders.length / 2 },
    (_, i) => [rawHeaders[2 * i]!.toLowerCase(), rawHeaders[2 * i + 1]!] as const,
  ),
});
