import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** A receiver that is no HTTP server: it writes what a test has it write, once it was sent something. */
export class RawReceiver {
  /** How many connections there were. */
  connections = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(answer: (socket: Socket) => void) {
    this.server = createServer((socket) => {
      this.connections++;
      this.sockets.add(socket);
      // It is cut off as a matter of course.
      socket.on('error', () => undefined).once('close', () => this.sockets.delete(socket));
      socket.once('data', () => answer(socket));
    });
  }

  static async open(answer: (socket: Socket) => void, host = '127.0.0.1', port = 0): Promise<RawReceiver> {
    const receiver = new RawReceiver(answer);
    receiver.server.listen(port, host);
    await once(receiver.server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  get openConnections(): number {
    return this.sockets.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Writes something again and again until the connection is closed. */
export const endlessly =
  (first: string, again: string) =>
  (socket: Socket): void => {
    socket.write(first);
    const timer = setInterval(() => socket.write(again), 50);
    socket.once('close', () => clearInterval(timer));
  };
