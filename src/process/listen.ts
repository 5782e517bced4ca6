import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { AppConfig } from '../config/config.js';
import { codeOf } from '../problems/error-code.js';
import { StartError } from '../problems/start-error.js';
import type { Connections } from './connections.js';

const [IPV4, IPV6] = ['127.0.0.1', '::1'];
const UNUSABLE_ADDRESS = new Set(['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND']);
const NO_SUCH_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL']);
const SEEN_AS_LOCALHOST = new Set(['localhost', IPV4, IPV6, '0.0.0.0', '::']);

/**
 * Opens the port. `localhost` is both loopback addresses, since a client may take it for either, and so that nothing
 * else answers at http://localhost in place of us. Answers the port. Throws {@link StartError} where it cannot listen.
 */
export async function listen(
  app: NestFastifyApplication,
  connections: Connections,
  { port, host }: AppConfig,
): Promise<number> {
  await explained(port, host === 'localhost' ? IPV4 : host, (address) => app.listen({ port, host: address }));
  const opened = Number(new URL(await app.getUrl()).port);
  if (host === 'localhost') {
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    connections.acceptFrom(listener);
    // Of a free port that was chosen for the one address, nobody said that it is free at the other.
    const mayBeTaken = port === 0;
    await explained(opened, IPV6, (address) => listenWherePossible(listener, opened, address, mayBeTaken));
  }
  return opened;
}

/** Where a browser on this machine finds what listens there, by the one name that mails and cookies use as well. */
export function urlOf(host: string, port: number): string {
  if (SEEN_AS_LOCALHOST.has(host)) {
    return `http://localhost:${port}`;
  }
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function listenWherePossible(listener: Server, port: number, host: string, mayBeTaken: boolean): Promise<void> {
  try {
    listener.listen({ port, host });
    await once(listener, 'listening');
  } catch (error) {
    // A machine without IPv6 has no other localhost.
    if (!NO_SUCH_ADDRESS.has(codeOf(error)) && !(mayBeTaken && codeOf(error) === 'EADDRINUSE')) throw error;
  }
}

async function explained(port: number, host: string, open: (host: string) => Promise<unknown>): Promise<void> {
  try {
    await open(host);
  } catch (error) {
    const code = codeOf(error);
    throw UNUSABLE_ADDRESS.has(code)
      ? new StartError(
          `Cannot listen on host ${host}, port ${port} (${code}). Set HOST or PORT, such as PORT=3001 npm start, or end what uses it.`,
        )
      : error;
  }
}
