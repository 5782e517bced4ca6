import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

const CHECK_EVERY_MS = 100;
const ASKED_WITHIN_MS = 1000;
// As long as a request may wait for a connection to the database and for its statement.
const ANSWERED_WITHIN_MS = 7000;

/** The connections of a server, none of which may hold it when it closes. */
export class Connections {
  private readonly requestsOn = new Map<Socket, Set<IncomingMessage>>();

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

  /** Takes no new ones, and leaves alone those there are. */
  refuseNew(): void {
    stopAccepting(this.server);
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
