import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Stands between an instance and its PostgreSQL: counts what is asked, and keeps answers back. */
export interface DatabaseProxy {
  readonly url: string;
  /** Statements asked so far, BEGIN and COMMIT included. */
  statements(): number;
  /** From now on answers arrive so much later. */
  delay(milliseconds: number): void;
  /** From now on answers wait here. */
  hold(): void;
  /** How many answers wait here; of a prepared statement alone, if it is named. */
  held(statement?: string): number;
  release(): void;
  /** From now on a connection that sends a prepared statement of this name gets no further than that. */
  keepBack(statement: string): void;
  /** How many connections are kept so. */
  keptBack(): number;
  /** Cuts every connection, and any that is opened until it is restored. */
  cut(): void;
  restore(): void;
  stop(): void;
}

export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl);
  let count = 0;
  let delayMs = 0;
  let isHolding = false;
  let isCut = false;
  let keptName: string | null = null;
  let keptCount = 0;
  const waiting: { readonly asked: Buffer; readonly resolve: () => void }[] = [];
  const sockets = new Set<Socket>();

  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay();
      socket.on('error', () => undefined);
    }
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());

    const countIn = statementCounter();
    let isKeptBack = false;
    let asked: Buffer = Buffer.alloc(0);
    client.on('data', (chunk: Buffer) => {
      asked = chunk;
      if (!isKeptBack && keptName !== null && isOf(keptName, chunk)) {
        isKeptBack = true;
        keptCount++;
      }
      if (isKeptBack) {
        return;
      }
      count += countIn(chunk);
      upstream.write(chunk);
    });
    // One after the other, so that bytes never overtake each other.
    let earlier = Promise.resolve();
    upstream.on('data', (chunk) => {
      const kept = isHolding ? new Promise<void>((resolve) => waiting.push({ asked, resolve })) : Promise.resolve();
      const due = new Promise((resolve) => setTimeout(resolve, delayMs));
      earlier = Promise.all([earlier, kept, due]).then(() => void client.write(chunk));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    statements: () => count,
    delay(milliseconds) {
      delayMs = milliseconds;
    },
    hold() {
      isHolding = true;
    },
    held: (statement) => waiting.filter(({ asked }) => statement === undefined || isOf(statement, asked)).length,
    release() {
      isHolding = false;
      waiting.splice(0).forEach(({ resolve }) => resolve());
    },
    keepBack(statement) {
      keptName = statement;
    },
    keptBack: () => keptCount,
    cut() {
      isCut = true;
      sockets.forEach((socket) => socket.destroy());
    },
    restore() {
      isCut = false;
    },
    stop() {
      server.close();
      sockets.forEach((socket) => socket.destroy());
    },
  };
}

// A name is followed by a zero, in Parse and in Bind; a query in whose text it stands is not.
const isOf = (statement: string, sent: Buffer): boolean => sent.includes(`${statement}\0`);

/** Counts Query and Execute in what a client sends (PostgreSQL's protocol, 53.7). */
function statementCounter(): (chunk: Buffer) => number {
  let rest = Buffer.alloc(0);
  let isStarted = false;
  return (chunk) => {
    let count = 0;
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      // The first message has no type.
      const typeLength = isStarted ? 1 : 0;
      if (rest.length < typeLength + 4) return count;
      const length = typeLength + rest.readInt32BE(typeLength);
      if (rest.length < length) return count;
      if (isStarted && (rest[0] === QUERY || rest[0] === EXECUTE)) count++;
      isStarted = true;
      rest = rest.subarray(length);
    }
  };
}

const QUERY = 'Q'.charCodeAt(0);
const EXECUTE = 'E'.charCodeAt(0);
