import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

const CHECK_EVERY_MS = 100;
const ASKED_WITHIN_MS = 1000;
// As long as a request may wait for a connection to the database and for its statement.
const ANSWERED_WITHIN_MS = 7000;

/** The connections of a server, none of which may hold it when it closes. */
export class Connections {
  private readonly requestsOn = new Map<Socket, Set<IncomingMessage>>();
  private listener: NetServer | undefined;

  /** To be made before the server listens. */
  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.requestsOn.set(socket, new Set());
      socket.once('close', () => this.requestsOn.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const requests = this.requestsOn.get(request.socket);
      requests?.add(request);
      response.once('close', () => requests?.delete(request));
    });
  }

  /** Hands what another listener accepts to the server as if it had accepted it, until it takes no new ones. */
  acceptFrom(listener: NetServer): void {
    this.listener = listener;
    listener.on('connection', (socket: Socket) => this.server.emit('connection', socket));
  }

  /** Takes no new ones, and leaves alone those there are. */
  refuseNew(): void {
    stopAccepting(this.server);
    this.listener?.close();
  }

  /** Waits for those of the other listener, which the server does not wait for when it closes. */
  async endOfListener(): Promise<void> {
    if (this.listener && (await countOf(this.listener)) > 0) {
      this.server.closeIdleConnections();
      await once(this.listener, 'close');
    }
  }

  /**
   * Takes no new ones, and closes those there are: after a second each that has no whole request to be answered, be
   * there half a one or nothing yet; after seven seconds all, those too whose client does not read its answer.
   */
  end(): void {
    this.refuseNew();
    const startedAt = performance.now();
    const timer = setInterval(() => {
      const milliseconds = performance.now() - startedAt;
      for (const [socket, requests] of this.requestsOn) {
        const isUnderWay = [...requests].some(({ complete }) => complete);
        if (milliseconds > (isUnderWay ? ANSWERED_WITHIN_MS : ASKED_WITHIN_MS)) {
          socket.destroy();
        }
      }
      if (this.requestsOn.size === 0) {
        clearInterval(timer);
      }
    }, CHECK_EVERY_MS);
  }
}

// The HTTP server's own close() ends idle connections at once, and with them requests that are on their way. The one it
// inherits does not.
function stopAccepting(server: Server): void {
  NetServer.prototype.close.call(server);
}

const countOf = (server: NetServer): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));
