import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands between the proxies and Latchkey, and keeps what they ask, byte by byte. */
export interface Tap {
  readonly address: string;
  /** What was sent to Latchkey so far. */
  asked(): string;
  forget(): void;
  /** From now on nothing comes back. */
  hold(): void;
  /** From now on nobody is there: connections are cut and refused. */
  close(): Promise<void>;
  /** Somebody is there again. */
  open(): Promise<void>;
}

export async function startTap(url: string): Promise<Tap> {
  const { hostname, port } = new URL(url);
  let asked = '';
  let isHolding = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const latchkey = connect(Number(port), hostname);
    client.on('data', (chunk) => (asked += chunk.toString('latin1')));
    client.pipe(latchkey).on('data', (chunk) => {
      if (!isHolding) client.write(chunk);
    });
    for (const [one, other] of [
      [client, latchkey],
      [latchkey, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined).on('close', () => (sockets.delete(one), other.destroy()));
    }
  });
  const listen = async (at: number) => {
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  return {
    address: `127.0.0.1:${own}`,
    asked: () => asked,
    forget: () => (asked = ''),
    hold() {
      isHolding = true;
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      sockets.forEach((socket) => socket.destroy());
      await closed;
    },
    async open() {
      isHolding = false;
      if (!server.listening) await listen(own);
    },
  };
}
