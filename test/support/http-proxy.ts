import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** Stands before an instance: notes what is asked, keeps answers back, and cuts connections. */
export interface HttpProxy {
  readonly url: string;
  /** What was asked so far, by path. */
  readonly asked: readonly { readonly path: string; readonly body: string; readonly authorization: string }[];
  /** How many connections were opened to it. */
  connections(): number;
  /** From now on answers wait here, which were given already. */
  hold(): void;
  /** How many answers wait here. */
  held(): number;
  release(): void;
  /** From now on this is what everything is answered with; null ends it. */
  answer(own: OwnAnswer | null): void;
  /** Cuts every connection, and any that is opened until it is restored. */
  cut(): void;
  /** Cuts connections that are idle, as a server does after a time. */
  cutIdle(): void;
  restore(): void;
  stop(): void;
}

export interface OwnAnswer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export async function startHttpProxy(target: string): Promise<HttpProxy> {
  const asked: HttpProxy['asked'][number][] = [];
  const waiting: (() => void)[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let isHolding = false;
  let isCut = false;
  let own: OwnAnswer | null = null;

  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const body = await buffer(incoming);
    const { method, url: path = '', headers } = incoming;
    asked.push({ path, body: body.toString(), authorization: headers.authorization ?? '' });
    if (own) {
      outgoing.writeHead(own.status, own.headers).end(own.body);
      return;
    }
    const upstream = request(target + path, { method, headers }).end(body);
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
    const answerBody = await buffer(answer);
    if (isHolding) await new Promise<void>((resolve) => waiting.push(resolve));
    outgoing.writeHead(answer.statusCode!, answer.headers).end(answerBody);
  };

  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  server.on('connection', (socket) => {
    if (isCut) return socket.destroy();
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    return socket;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    connections: () => connections,
    hold() {
      isHolding = true;
    },
    held: () => waiting.length,
    release() {
      isHolding = false;
      waiting.splice(0).forEach((resolve) => resolve());
    },
    answer(answer) {
      own = answer;
    },
    cut() {
      isCut = true;
      sockets.forEach((socket) => socket.destroy());
    },
    cutIdle: () => server.closeIdleConnections(),
    restore() {
      isCut = false;
    },
    stop() {
      server.close();
      sockets.forEach((socket) => socket.destroy());
    },
  };
}
